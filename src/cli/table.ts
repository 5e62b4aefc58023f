import { escapeControls, type Paint, type Style } from "./text.ts";

export interface Column<Row> {
  readonly header: string;
  readonly value: (row: Row) => unknown;
  /** May be cut on a narrow terminal; those that identify the row may not. */
  readonly shrinks?: boolean;
  readonly align?: "right";
  readonly style?: (text: string) => Style | undefined;
}

const gap = "  ";
const narrowest = 8;

/**
 * Rows under headers, each line ending in a newline. With `width` (of the terminal) the columns that may shrink are cut,
 * the widest first; without it (a pipe) nothing is.
 */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width, paint }: { width: number | undefined; paint: Paint },
): string {
  const cells = rows.map((row) => columns.map((column) => cell(column.value(row))));
  const natural = columns.map((column, i) =>
    Math.max(column.header.length, ...cells.map((line) => Bun.stringWidth(line[i] ?? ""))),
  );
  const widths = fit(columns, natural, width);
  const line = (texts: readonly string[], style: (i: number, text: string) => Style | undefined) => {
    const parts = texts.map((text, i) => {
      const cut = truncate(text, widths[i] ?? 0);
      const wanted = style(i, text);
      const painted = wanted ? paint(cut, wanted) : cut;
      const padding = " ".repeat(Math.max(0, (widths[i] ?? 0) - Bun.stringWidth(cut)));
      if (columns[i]?.align === "right") return padding + painted;
      return i === texts.length - 1 ? painted : painted + padding;
    });
    return `${parts.join(gap)}\n`;
  };
  const head = line(
    columns.map((column) => column.header),
    () => "dim",
  );
  return head + cells.map((texts) => line(texts, (i, text) => columns[i]?.style?.(text))).join("");
}

/** Names and values in two columns, for one record. */
export function renderRecord(fields: readonly (readonly [name: string, value: unknown])[], paint: Paint): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields
    .map(([name, value]) => {
      const text = typeof value === "object" && value !== null ? JSON.stringify(value, null, 2) : String(value ?? "-");
      const lines = text.split("\n").map((part) => escapeControls(part));
      return `${paint(name.padEnd(width), "dim")}${gap}${lines.join(`\n${" ".repeat(width)}${gap}`)}\n`;
    })
    .join("");
}

/** Data as one line of text that cannot act on the terminal. */
function cell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  return escapeControls(typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value));
}

function fit<Row>(columns: readonly Column<Row>[], natural: readonly number[], width: number | undefined): number[] {
  const widths = [...natural];
  if (width === undefined) return widths;
  const total = () => widths.reduce((sum, one) => sum + one, 0) + gap.length * (widths.length - 1);
  for (let excess = total() - width; excess > 0; excess = total() - width) {
    const shrinkable = columns.map((column, i) => (column.shrinks ? (widths[i] ?? 0) : 0));
    const widest = Math.max(...shrinkable);
    if (widest <= narrowest) break;
    const second = Math.max(narrowest, ...shrinkable.filter((one) => one < widest));
    widths[shrinkable.indexOf(widest)] = Math.max(widest - excess, Math.min(second, widest - 1));
  }
  return widths;
}

function truncate(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  let cut = "";
  let used = 0;
  for (const char of text) {
    const size = Bun.stringWidth(char);
    if (used + size > width - 1) break;
    cut += char;
    used += size;
  }
  return `${cut}…`;
}
