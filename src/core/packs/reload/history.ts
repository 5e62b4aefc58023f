import { jsonText } from "../../json.ts";
import type { Problem, Sql } from "../../plugin.ts";
import type { Registry } from "../../registry.ts";
import type { ComponentChange } from "./diff.ts";
import { type Step, sameProblems } from "./step.ts";

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

/** What a step has done, from the registries before and after it; `broken` are the mistakes of packs that are not served. Pure. */
export function reportOf(
  { ref, plan }: Step,
  { before, after, broken }: { before: Registry; after: Registry; broken: ReadonlyMap<string, readonly Problem[]> },
  timing: ReloadTiming,
): ReloadReport {
  const pack = after.packs.get(ref);
  const refsOf = (kind: "added" | "changed" | "removed") =>
    plan?.changes.filter((one) => one.change === kind).map((one) => one.ref) ?? [];
  const problems = pack?.problems ?? broken.get(ref) ?? [];
  const changed = [...(plan?.manifestChanged && before.packs.has(ref) ? [ref] : []), ...refsOf("changed")];
  const filesChanged = plan?.lookAgain === false && before.packs.get(ref)?.snapshot?.hash !== pack?.snapshot?.hash;
  const removed = plan === null ? [ref] : refsOf("removed");
  return {
    pack: ref,
    version: pack?.manifest.version ?? null,
    snapshot: pack?.snapshot?.hash ?? null,
    changes: plan?.changes ?? [],
    added: refsOf("added"),
    changed,
    removed,
    problems,
    filesChanged,
    isNews:
      (plan?.changes.length ?? 1) > 0 ||
      changed.length > 0 ||
      filesChanged ||
      !sameProblems(before.packs.get(ref)?.problems ?? [], problems),
    timing,
    ms: Math.round(Object.values(timing).reduce((sum, part) => sum + part, 0) * 10) / 10,
  };
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
