import { once } from "node:events";
import { mkdirSync, statfsSync } from "node:fs";
import { execa } from "execa";
import { toError } from "../../../core/errors.ts";
import { selfCommand } from "../../../core/self.ts";
import { codeOf } from "./failure.ts";

/** The hidden first argument by which attune is asked to unpack an archive. */
export const unpackArgument = "unpack-archive";

/**
 * Unpacks a tar compressed by zstd, as a file of the binary, into a directory that is made. In a process of its own: the
 * daemon would go on holding the pages of the binary that were read for it.
 */
export async function extract(archive: string, target: string): Promise<void> {
  const [program, ...words] = selfCommand();
  const child = await execa(program, [...words, unpackArgument, archive, target], {
    // Its end tells the child that the daemon is gone.
    stdin: "pipe",
    reject: false,
    extendEnv: false,
    env: {},
    // Ctrl-C in the daemon's terminal is the daemon's.
    detached: true,
  });
  if (child.exitCode !== 0) throw new Error(`unpacking ended with ${child.signal ?? `exit code ${child.exitCode}`}`);
  if (child.stdout === "") return;
  const { code, message } = JSON.parse(child.stdout) as Failure;
  throw Object.assign(new Error(message), { code });
}

/** What the child prints when it failed. */
interface Failure {
  readonly code: string | undefined;
  readonly message: string;
}

/** What the child does, until its stdin ends. */
export async function extractInThisProcess(archive: string, target: string): Promise<void> {
  const deserted = once(process.stdin.resume(), "end");
  const work = extractHere(archive, target).catch((thrown: unknown) => {
    const failure: Failure = { code: codeOf(thrown), message: toError(thrown).message };
    console.log(JSON.stringify(failure));
  });
  await Promise.race([work, deserted]);
}

async function extractHere(archive: string, target: string): Promise<void> {
  const tar = await Bun.zstdDecompress(await Bun.file(archive).bytes());
  mkdirSync(target, { recursive: true });
  try {
    await new Bun.Archive(tar).extract(target);
  } catch (thrown) {
    throw roomError(toError(thrown), tar.byteLength, target);
  }
}

/** The error itself, which does not name its reason when that is a full disk. */
function roomError(error: Error, bytes: number, dir: string): Error {
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize >= bytes) return error;
  const megabytes = (size: number) => Math.ceil(size / 1e6);
  const message = `unpacking ${megabytes(bytes)} MB failed, and ${megabytes(bavail * bsize)} MB are free (${error.message})`;
  return Object.assign(new Error(message), { code: "ENOSPC" });
}
