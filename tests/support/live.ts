import { silentLogger } from "../../src/core/log.ts";
import type { ReloadReport } from "../../src/core/packs/reload/history.ts";
import { watchPacks } from "../../src/core/packs/reload/watch.ts";
import type { Registry } from "../../src/core/registry.ts";
import { createScope } from "../../src/core/scope.ts";
import { createPacks, type TestDatabase, type TestPacks } from "./engine.ts";
import { until } from "./until.ts";

/** Packs that are watched and served as the daemon does, in a database of their own. */
export interface LivePacks extends AsyncDisposable {
  readonly packs: TestPacks;
  readonly registry: Registry;
  /** What was news, in order. */
  readonly reports: ReloadReport[];
  /** Every mistake shown so far, with its file. */
  shown(): string[];
  /** Waits until `condition` holds for what is served. */
  serves(what: string, condition: (registry: Registry) => unknown): Promise<void>;
}

/** `files` lie there at the start; with null there is not even the directory. */
export async function livePacks(db: TestDatabase, files: Readonly<Record<string, string>> | null): Promise<LivePacks> {
  const reports: ReloadReport[] = [];
  const packs = await createPacks(db.storage, {
    published: (_registry, made) => void reports.push(...made.filter((report) => report.isNews)),
  });
  const scope = createScope("watch", silentLogger);
  if (files) packs.write(files);
  await packs.reconciler.reload();
  await watchPacks(scope, {
    directories: [packs.dir],
    changed: (changes) => void packs.reconciler.reloadDirectories(changes).catch(console.error),
  });
  reports.length = 0;
  return {
    packs,
    get registry() {
      return packs.reconciler.registry;
    },
    reports,
    shown: () => reports.flatMap(({ problems }) => problems.map(({ file, message }) => `${file}: ${message}`)),
    serves: async (what, condition) => void (await until(what, () => Boolean(condition(packs.reconciler.registry)))),
    async [Symbol.asyncDispose]() {
      await scope.end();
      // A reload that is under way still writes.
      await packs.reconciler.reload().catch(() => {});
      packs[Symbol.dispose]();
    },
  };
}
