/** One measured value. `target` is what it has to reach, in the same unit. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: "ms" | "/s" | "MB" | "x" | "";
  readonly target?: { readonly most: number } | { readonly least: number };
  readonly note?: string;
}
export interface Figure {
  readonly name: string;
  measure(): Promise<Row[]>;
}

export function reaches({ value, target }: Row): boolean {
  if (target === undefined) return true;
  return "most" in target ? value <= target.most : value >= target.least;
}

/** The value below which `share` (0 to 1) of the samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  if (value === undefined) throw new Error("nothing was measured");
  return value;
}

export const median = (samples: readonly number[]) => quantile(samples, 0.5);

export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    `${format(row.value)}${row.unit === "" || row.unit === "/s" ? row.unit : ` ${row.unit}`}`,
    row.target === undefined ? "" : `${"most" in row.target ? "<=" : ">="} ${format(Object.values(row.target)[0] as number)}`,
    reaches(row) ? "" : "MISSED",
    row.note ?? "",
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => (i === 1 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
