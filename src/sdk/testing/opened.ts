import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OpenContext } from "../../core/plugin.ts";
import { createScope } from "../../core/scope.ts";
import { silentLogger } from "../../core/silent-logger.ts";
import type { Trial } from "./case.ts";

/** An empty private directory, removed when disposed. */
export async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "attune-contract-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/**
 * Opens something as the daemon does, in a scope of its own, and hands it to `use`; then the scope ends. `dataDir` is used
 * as it is and stays; without it there is an empty one that goes away.
 */
export async function withOpened<T>(
  trial: Trial,
  open: (context: OpenContext) => Promise<T>,
  use: (opened: T) => Promise<void>,
  dataDir?: string,
): Promise<void> {
  await using temporary = dataDir === undefined ? await temporaryDirectory() : undefined;
  const directory = temporary?.path ?? dataDir ?? "";
  const scope = createScope("contract", silentLogger);
  try {
    const context = { scope, log: silentLogger, dataDir: directory, projectDir: directory };
    await use(await trial.settled("open to resolve", Promise.try(open, context)));
  } finally {
    const ending = scope.end();
    try {
      await trial.settled("the cleanups of its scope", ending);
    } finally {
      // The directory is theirs until they are through, also when the case failed long before; its failure is told, not theirs.
      await ending.catch(() => {});
    }
  }
}
