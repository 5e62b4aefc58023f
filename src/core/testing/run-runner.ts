import { statSync } from "node:fs";
import path from "node:path";
import { AttuneError, describeError } from "../errors.ts";
import { resolveInsideSync } from "../paths.ts";
import type { Launch, LaunchTarget } from "../plugin.ts";
import type { Action, LoadedPack, Runtime, TestRunner } from "../registry.ts";
import { suggestion } from "../registry-build.ts";
import { type Usable, usable } from "../runtimes/runtimes.ts";
import { looseAction } from "./loose-action.ts";
import { type CaseOutcome, printedBy } from "./run-case.ts";
import type { Workbench } from "./workbench.ts";

/**
 * Runs a program that tests the pack: in the pack's own directory, with no parameters, and otherwise as an action. It
 * passes when its exit code is 0.
 */
export async function runRunner(bench: Workbench, pack: LoadedPack, runner: TestRunner): Promise<CaseOutcome> {
  const began = performance.now();
  const outcome = (seen: Pick<CaseOutcome, "misses" | "printed">): CaseOutcome => ({
    kind: "runner",
    name: `${runner.runtime} ${runner.type}`,
    subject: runner.entryPoint,
    file: "pack.yaml",
    line: null,
    ms: Math.round(performance.now() - began),
    ...seen,
  });
  const miss = (actual: string) => ({ what: "exit_code", expected: "0", actual, at: null });
  try {
    const action = runnerAction(bench, pack, runner);
    const found = usable(bench.registry, action);
    const ended = await bench.run(action, {
      parameters: {},
      timeout: runner.timeout,
      env: {},
      usable: found.available ? { ...found, runtime: testing(found, runner.type) } : found,
    });
    const printed = printedBy(ended);
    if (ended.status === "completed") return outcome({ misses: [], printed });
    const code = ended.exitCode === null || ended.exitCode < 0 ? "" : `${ended.exitCode}: `;
    return outcome({ misses: [miss(`${code}${ended.error ?? ended.status}`)], printed });
  } catch (thrown) {
    if (!(thrown instanceof AttuneError)) throw thrown;
    return outcome({ misses: [miss(describeError(thrown))], printed: null });
  }
}

function runnerAction({ registry }: Workbench, pack: LoadedPack, { runtime, entryPoint }: TestRunner): Action {
  const ref = registry.runtimeNames.get(runtime.toLowerCase());
  if (ref === undefined) {
    throw new AttuneError("RUNTIME_UNAVAILABLE", `there is no runtime ${runtime}`, {
      hint: suggestion(runtime, registry.runtimeNames.keys()),
    });
  }
  return looseAction({ ref: `${pack.ref}.tests`, runtime: ref, file: entryOf(pack, entryPoint), dir: pack.dir });
}

/** Relative to the pack or, as some packs have it, to the directory of its tests. */
function entryOf({ dir, manifest }: LoadedPack, entryPoint: string): string {
  try {
    return resolveInsideSync(dir, entryPoint);
  } catch (thrown) {
    if (!(thrown instanceof AttuneError) || thrown.code !== "NOT_FOUND") throw thrown;
    return resolveInsideSync(dir, path.join(manifest.testing.path, entryPoint));
  }
}

/** The runtime, with the file of tests handed to the module that runs them. */
function testing({ runtime }: Extract<Usable, { available: true }>, type: TestRunner["type"]): Runtime {
  if (type === "script") return runtime;
  return {
    ...runtime,
    async launch(target: LaunchTarget): Promise<Launch> {
      const { argv, env } = await runtime.launch(target);
      const [program, ...rest] = argv;
      const words = moduleWords(type, path.relative(target.pack.dir, target.entrypoint), target.entrypoint);
      return {
        argv: [program, ...rest.flatMap((word) => (word === target.entrypoint ? words : [word]))],
        ...(env && { env }),
      };
    },
  };
}

/** What follows the interpreter, in the pack's directory. */
function moduleWords(type: "unittest" | "pytest", file: string, absolute: string): string[] {
  if (type === "pytest") return ["-m", "pytest", file];
  return statSync(absolute).isDirectory() ? ["-m", "unittest", "discover", "-s", file] : ["-m", "unittest", file];
}
