import type { Logger } from "../core/plugin.ts";
import type { Io } from "./io.ts";
import { escapeControls } from "./text.ts";

export interface ProblemLog extends Logger, AsyncDisposable {
  /** Shows a line as it is, after what was written before. */
  note(line: string): void;
}

/**
 * Shows warnings and errors on standard error, with the lines of a file and the hint they have, and nothing else. Disposing
 * of it waits until all is written, which a process that exits would not.
 */
export function problemLog(io: Io): ProblemLog {
  let written: Promise<void> = Promise.resolve();
  const write = (text: string) => {
    written = written.then(() => io.err(text));
  };
  const tell = (severity: string) => (message: string, fields?: { readonly frame?: unknown; readonly hint?: unknown }) => {
    const frame =
      typeof fields?.frame === "string" ? `${escapeControls(`\n${fields.frame}`, "\n").replaceAll("\n", "\n  ")}` : "";
    const hint = typeof fields?.hint === "string" ? `\n  hint: ${escapeControls(fields.hint)}` : "";
    write(`${severity}: ${escapeControls(message)}${frame}${hint}\n`);
  };
  const log: ProblemLog = {
    debug() {},
    info() {},
    warn: tell("warning"),
    error: tell("error"),
    child: () => log,
    note: (line) => write(`${escapeControls(line)}\n`),
    [Symbol.asyncDispose]: () => written,
  };
  return log;
}
