import { formatPosition } from "../core/errors.ts";
import { escapeControls } from "../core/escape.ts";
import type { Problem } from "../core/plugin.ts";

export type FileProblem = Omit<Problem, "severity">;

/** `file:line:col: error: message`; below it, indented, the lines around the place and the hint. */
export function problemLines(problems: readonly FileProblem[], severity: Problem["severity"]): string {
  return problems
    .map(({ file, line, column, message, hint, frame }) => {
      const at = formatPosition({ file, ...(line !== null && { line }), ...(column !== null && { column }) });
      const shown = frame ? escapeControls(`\n${frame}`, "\n").replaceAll("\n", "\n  ") : "";
      return escapeControls(`${at}: ${severity}: ${message}`) + shown + (hint ? `\n  hint: ${escapeControls(hint)}` : "");
    })
    .join("\n");
}
