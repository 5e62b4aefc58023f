import type { Logger } from "../core/plugin.ts";
import type { Io } from "./io.ts";
import { escapeControls } from "./text.ts";

/**
 * Shows warnings and errors on standard error, with the lines of a file and the hint they have, and nothing else. Disposing
 * of it waits until all is written, which a process that exits would not.
 */
export function problemLog(io: Io): Logger & AsyncDisposable {
  let written: Promise<void> = Promise.resolve();
  const tell = (severity: string) => (message: string, fields?: { readonly frame?: unknown; readonly hint?: unknown }) => {
    const frame =
      typeof fields?.frame === "string" ? `${escapeControls(`\n${fields.frame}`, "\n").replaceAll("\n", "\n  ")}` : "";
    const hint = typeof fields?.hint === "string" ? `\n  hint: ${escapeControls(fields.hint)}` : "";
    written = written.then(() => io.err(`${severity}: ${escapeControls(message)}${frame}${hint}\n`));
  };
  const log: Logger & AsyncDisposable = {
    debug() {},
    info() {},
    warn: tell("warning"),
    error: tell("error"),
    child: () => log,
    [Symbol.asyncDispose]: () => written,
  };
  return log;
}
