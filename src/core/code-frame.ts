import { escapeControls } from "./escape.ts";

/** Characters of a line that are shown. */
const widest = 100;

/**
 * The line of a mistake between its neighbours, with line numbers and a caret below the column; empty when the text has no
 * such line. Line and column count from 1. Control characters become visible escapes, and of long lines only the part
 * around the column is shown. Ends without a newline.
 */
export function codeFrame(text: string, line: number, column: number): string {
  const lines = text.split("\n").map((one) => one.replace(/\r$/, ""));
  const faulty = lines[line - 1];
  if (faulty === undefined) return "";
  const start = Math.max(0, Math.min(column - 1 - widest / 2, faulty.length - widest));
  const last = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  const numbers = [line - 1, line, line + 1].filter((number) => number === line || (number >= 1 && number <= last));
  const gutter = String(numbers.at(-1)).length;

  return numbers
    .flatMap((number) => {
      const shown = `${number === line ? ">" : " "} ${String(number).padStart(gutter)} | ${cut(lines[number - 1] ?? "", start)}`;
      if (number !== line) return [shown.trimEnd()];
      return [shown.trimEnd(), `  ${" ".repeat(gutter)} | ${" ".repeat(widthBefore(faulty, start, column))}^`];
    })
    .join("\n");
}

function cut(line: string, start: number): string {
  const part = line.slice(start, start + widest).toWellFormed();
  return `${start > 0 ? "…" : ""}${escapeControls(part)}${line.length > start + widest ? "…" : ""}`;
}

/** Columns of a terminal that stand before the caret. */
function widthBefore(line: string, start: number, column: number): number {
  const before = line.slice(start, Math.min(column - 1, line.length)).toWellFormed();
  return (start > 0 ? 1 : 0) + Bun.stringWidth(escapeControls(before));
}
