/**
 * Measures the release build: `bun bench/run.ts [figure...] [--json]`. Each figure starts what it needs in temp directories,
 * with its floor in the same run where there is one, and stops it again. Exits 1 when a target is missed.
 */
import { type Figure, type Row, reaches, renderTable } from "./figure.ts";
import { latency } from "./latency.ts";
import { program } from "./program.ts";
import { reload } from "./reload.ts";
import { start } from "./start.ts";
import { stream } from "./stream.ts";
import { throughput } from "./throughput.ts";
import { warm } from "./warm.ts";

const figures: readonly Figure[] = [program, start, latency, throughput, warm, stream, reload];

const names = process.argv.slice(2).filter((word) => word !== "--json");
const unknown = names.find((name) => !figures.some((figure) => figure.name === name));
if (unknown !== undefined) {
  console.error(`there is no figure ${unknown}; there are ${figures.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const rows: Row[] = [];
for (const figure of figures.filter(({ name }) => names.length === 0 || names.includes(name))) {
  console.error(`measuring ${figure.name} ...`);
  rows.push(...(await figure.measure()));
}
console.log(process.argv.includes("--json") ? JSON.stringify(rows, null, 2) : renderTable(rows));
process.exit(rows.every(reaches) ? 0 : 1);
