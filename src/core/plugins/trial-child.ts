import { writeSync } from "node:fs";
import { toError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { checkShape, type ShapeMistake } from "./shape.ts";

/** What the child has to say, one JSON document a line behind the mark. */
export type TrialLine =
  | { readonly phase: "loading" | "probe" }
  | { readonly passed: { readonly kind: string; readonly name: string; readonly hooks: readonly string[] } }
  | { readonly mistake: ShapeMistake }
  | { readonly threw: { readonly message: string; readonly stack: string } };

/**
 * Loads a plugin's bundle in a process of its own, checks its shape and probes it, and writes what it finds to stdout,
 * behind `mark`, since a plugin may print what it likes. The plugin sees the same `attune` as in the daemon.
 */
export async function tryInThisProcess(bundle: string, mark: string): Promise<void> {
  const say = (line: TrialLine) => void writeSync(1, `\n${mark}${JSON.stringify(line)}\n`);
  const threw = (error: Error) => say({ threw: { message: error.message, stack: error.stack ?? "" } });
  process.exit = () => {
    threw(new Error("it ends the process with process.exit, which would end the daemon"));
    // A plugin that catches what is thrown would go on.
    process.kill(process.pid, "SIGKILL");
    throw new Error("ended");
  };
  say({ phase: "loading" });
  let exported: unknown;
  try {
    const loaded: Record<string, unknown> = await import(bundle);
    exported = loaded["default"];
  } catch (thrown) {
    const error = toError(thrown);
    threw(Object.assign(new Error(`it failed while loading: ${error.message}`), { stack: error.stack }));
    return;
  }
  const checked = checkShape(exported);
  if ("mistake" in checked) {
    say(checked);
    return;
  }
  const { plugin } = checked;
  if (plugin.kind === "runtime" && plugin.probe) {
    say({ phase: "probe" });
    try {
      await plugin.probe({ log: silentLogger, signal: new AbortController().signal });
    } catch {
      // What is missing here is told as the reason why the runtime is unavailable: that is no mistake.
    }
  }
  say({ passed: { kind: plugin.kind, name: plugin.name, hooks: Object.keys(plugin.hooks ?? {}) } });
}
