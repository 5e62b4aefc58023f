import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../errors.ts";
import type { FinishedExecution } from "../executions/store.ts";
import { runtimeNamesOf } from "../packs/runner.ts";
import type { JsonObject } from "../plugin.ts";
import { looseAction } from "./loose-action.ts";
import { openWorkbench, type RunRequest, type WorkbenchOptions } from "./workbench.ts";

/**
 * Runs a file that is in no pack as an action without a schema would run: in its own directory, by the runtime its name's
 * ending stands for, and without one as a program. Rejects with NOT_FOUND, and with USAGE for a file that nothing can run.
 */
export async function runFile(
  file: string,
  parameters: JsonObject,
  options: Omit<WorkbenchOptions, "packs" | "configured"> & Pick<RunRequest, "timeout" | "streams">,
): Promise<FinishedExecution> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) throw new AttuneError("NOT_FOUND", `there is no file ${file}`);
  await using bench = await openWorkbench({ ...options, packs: [], configured: true });
  const ending = path.extname(file).toLowerCase();
  const runtime =
    runtimeNamesOf(bench.registry.runtimes.values()).extensions.get(ending) ?? (isExecutable(file) ? "core.native" : null);
  if (runtime === null) {
    const why = ending === "" ? "its name has no ending that says what runs it" : `no runtime has the ending ${ending}`;
    throw new AttuneError("USAGE", `${file} is not executable, and ${why}`, {
      hint: `make it executable (chmod +x ${file}), or give it an ending such as .sh or .py`,
    });
  }
  const name = path.basename(file, path.extname(file)).replace(/[^A-Za-z0-9_-]/g, "_");
  const action = looseAction({ ref: `local.${name}`, runtime, file, dir: path.dirname(file) });
  const checked = bench.checkParameters(action, parameters);
  // Awaited here, since the workbench goes when this returns.
  return await bench.run(action, {
    parameters: checked,
    timeout: options.timeout,
    env: {},
    ...(options.streams && { streams: options.streams }),
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
