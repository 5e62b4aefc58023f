import { jsonText } from "../json.ts";
import type { Problem, Sql } from "../plugin.ts";
import type { ComponentChange } from "./diff.ts";

/** What one reload did to one pack. */
export interface ReloadReport {
  readonly pack: string;
  readonly version: string | null;
  /** Content hash of the pack's files. */
  readonly snapshot: string | null;
  readonly changes: readonly ComponentChange[];
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly problems: readonly Problem[];
  /** Some file of the pack is another one, be it part of a component or not. */
  readonly filesChanged: boolean;
  /** Something changed, or other mistakes are shown than before. */
  readonly isNews: boolean;
  readonly timing: ReloadTiming;
  /** Sum of the parts. */
  readonly ms: number;
}

/** Milliseconds: from the first change seen to the start, reading, writing to the database, until the registry was replaced. */
export interface ReloadTiming {
  readonly watch: number;
  readonly parse: number;
  readonly database: number;
  readonly publish: number;
}

/** Rows kept for each pack. */
const kept = 200;

export async function recordReload(sql: Sql, report: ReloadReport): Promise<void> {
  const errors = report.problems
    .filter((problem) => problem.severity === "error")
    .map(({ file, line, column, message, hint }) => ({ file, line, column, message, hint }));
  const { watch, parse, database, publish } = report.timing;
  await sql.query(
    `INSERT INTO pack_history (pack_ref, version, snapshot, added, changed, removed, errors, watch_ms, parse_ms, database_ms, publish_ms)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      report.pack,
      report.version,
      report.snapshot,
      report.added,
      report.changed,
      report.removed,
      jsonText(errors),
      watch,
      parse,
      database,
      publish,
    ],
  );
  await sql.query(
    "DELETE FROM pack_history WHERE pack_ref = $1 AND id < (SELECT min(id) FROM (SELECT id FROM pack_history WHERE pack_ref = $1 ORDER BY id DESC LIMIT $2) newest)",
    [report.pack, kept],
  );
}
