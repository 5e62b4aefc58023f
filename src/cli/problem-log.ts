import type { Logger } from "../core/plugin.ts";
import type { Io } from "./io.ts";
import { escapeControls } from "./text.ts";

/** Shows warnings and errors on standard error, with the lines of a file and the hint they have, and nothing else. */
export function problemLog(io: Io): Logger {
  const tell = (severity: string) => (message: string, fields?: { readonly frame?: unknown; readonly hint?: unknown }) => {
    const frame =
      typeof fields?.frame === "string" ? `${escapeControls(`\n${fields.frame}`, "\n").replaceAll("\n", "\n  ")}` : "";
    const hint = typeof fields?.hint === "string" ? `\n  hint: ${escapeControls(fields.hint)}` : "";
    void io.err(`${severity}: ${escapeControls(message)}${frame}${hint}\n`);
  };
  const log: Logger = { debug() {}, info() {}, warn: tell("warning"), error: tell("error"), child: () => log };
  return log;
}
