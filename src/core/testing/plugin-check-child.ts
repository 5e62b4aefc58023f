import { writeSync } from "node:fs";
import { pluginContract } from "../../sdk/testing/plugin.ts";
import { catchStrayErrors } from "../../sdk/testing/stray.ts";
import { toError } from "../errors.ts";
import { checkShape } from "../plugins/shape.ts";

/** What the child has to say, one JSON document a line behind the mark. */
export type CheckLine =
  | { readonly began: { readonly name: string; readonly member: string } }
  | { readonly kept: { readonly ms: number } }
  | { readonly broken: { readonly ms: number; readonly message: string; readonly stack: string; readonly hint: string } }
  | { readonly exits: { readonly stack: string } }
  | { readonly cases: readonly string[] };

/**
 * Tries a plugin's bundle, whose loading and shape were found good, against the contract of its kind, case by case, and writes
 * each outcome to stdout, behind `mark`, since a plugin may print what it likes. `caseLimit` is in milliseconds. When `interrupted` is aborted the case
 * under way is ended, and with it what it started.
 */
export async function checkInThisProcess(
  work: { readonly bundle: string; readonly mark: string; readonly caseLimit: number; readonly script?: string | undefined },
  interrupted: AbortSignal,
): Promise<void> {
  const { bundle, mark, caseLimit, script } = work;
  const say = (line: CheckLine) => void writeSync(1, `\n${mark}${JSON.stringify(line)}\n`);
  const exit = process.exit;
  process.exit = () => {
    say({ exits: { stack: new Error("process.exit").stack ?? "" } });
    // A plugin that catches what is thrown would go on.
    process.kill(process.pid, "SIGKILL");
    throw new Error("ended");
  };
  using stray = catchStrayErrors();
  const loaded: Record<string, unknown> = await import(bundle);
  const checked = checkShape(loaded["default"]);
  if ("mistake" in checked) throw new Error(checked.mistake.message);

  const cases = pluginContract(checked.plugin, script === undefined ? {} : { script });
  say({ cases: cases.map(({ name }) => name) });
  for (const { name, member, hint, run } of cases) {
    say({ began: { name, member } });
    const began = performance.now();
    const ms = () => Math.round(performance.now() - began);
    try {
      await run(AbortSignal.any([AbortSignal.timeout(caseLimit), interrupted]));
      const [error] = stray.take();
      if (error) throw new Error(`it throws what nobody catches: ${error.message}`, { cause: error });
      say({ kept: { ms: ms() } });
    } catch (thrown) {
      const { message } = toError(thrown);
      say({ broken: { ms: ms(), message: oneLine(message), stack: stacksOf(thrown), hint } });
      stray.take();
      // Nothing else can be told of a runtime whose interpreter is not here.
      if (member === "probe" || interrupted.aborted) break;
    }
  }
  process.exit = exit;
}

/** An assertion's message may show both values below one another. */
function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, " ").slice(0, 1_000);
}

/** Of an error and its causes, the innermost first: a plugin's own error is wrapped by what called it. */
function stacksOf(thrown: unknown): string {
  const error = toError(thrown);
  const inner = error.cause instanceof Error ? `${stacksOf(error.cause)}\n` : "";
  return inner + (error.stack ?? "");
}
