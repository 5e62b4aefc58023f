import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import type { Interpreter } from "../../core/plugin.ts";

const versions = ["3.14", "3.13", "3.12", "3.11", "3.10", "3.9", "3.8"];
const usual = ["/usr/bin", "/usr/local/bin"];
const question = "import sys, platform; print(sys.executable); print(platform.python_version())";

/**
 * The Pythons of this machine: the `python3` of the PATH, then those named `python3.8` to `python3.14` on the PATH and in
 * the usual places, newest first. Each is asked once, all at the same time. Rejects when there is none.
 */
export async function findPythons(signal: AbortSignal): Promise<[Interpreter, ...Interpreter[]]> {
  const first = Bun.which("python3", { PATH: process.env["PATH"] ?? "" });
  const answers = await Promise.allSettled(candidates(first).map((program) => ask(program, signal)));
  const pythons = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
  const [found, ...others] = withoutRepeats(pythons, (python) => python.path);
  if (found) return [found, ...others];
  const failed = answers.find((answer) => answer.status === "rejected");
  throw failed ? failed.reason : new Error("python3 is not on the PATH");
}

function candidates(first: string | null): string[] {
  const directories = [...new Set([...(process.env["PATH"] ?? "").split(path.delimiter), ...usual])]
    .filter(path.isAbsolute)
    // A version manager has a slow script there for every name, and the one it has chosen is behind python3.
    .filter((directory) => path.basename(directory) !== "shims");
  const named = versions.flatMap((version) => directories.map((directory) => path.join(directory, `python${version}`)));
  const programs = [...(first ? [first] : []), ...named.filter((program) => existsSync(program))];
  return withoutRepeats(programs, (program) => program);
}

/** What is behind a script named python3 says itself where it is. */
async function ask(program: string, signal: AbortSignal): Promise<Required<Interpreter>> {
  const { stdout } = await execa(program, ["-c", question], { timeout: 10_000, cancelSignal: signal });
  const [executable, version] = stdout.split("\n");
  if (!executable || !version) throw new Error(`${program} does not say where it is`);
  return { path: executable, version };
}

/** The first of those that are links to the same file. */
function withoutRepeats<T>(all: readonly T[], pathOf: (one: T) => string): T[] {
  const files = new Map<string, T>();
  for (const one of all) {
    const file = realpathSync(pathOf(one));
    if (!files.has(file)) files.set(file, one);
  }
  return [...files.values()];
}
