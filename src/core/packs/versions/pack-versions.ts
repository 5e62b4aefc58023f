import { AttuneError } from "../../errors.ts";
import type { Sql } from "../../plugin.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";

/** One version of a pack of which the files are kept. */
export interface PackVersion {
  /** Content hash. */
  readonly snapshot: string;
  /** What its pack.yaml says. */
  readonly version: string | null;
  /** Read-only directory with its files. */
  readonly dir: string;
}

/** Distinct versions of each pack that are kept for going back, and for how many days. */
export const kept = { versions: 20, days: 90 } as const;

/**
 * Finds a version by the number of a line of the history, by the first six or more digits of its content hash, or by the
 * version in pack.yaml, of which the latest counts; `current` is what is served. Throws NOT_FOUND when there is none, or when
 * its files are not kept any more.
 */
export async function findVersion(
  context: { readonly sql: Sql; readonly snapshots: Snapshots },
  pack: { readonly ref: string; readonly snapshot: string | null },
  word: string,
): Promise<PackVersion> {
  const { rows } = await context.sql.query<{ id: number; version: string | null; snapshot: string }>(
    "SELECT id, version, snapshot FROM pack_history WHERE pack_ref = $1 AND snapshot IS NOT NULL ORDER BY id DESC",
    [pack.ref],
  );
  const found = rows.find(
    ({ id, version, snapshot }) =>
      (word === "current" && snapshot === pack.snapshot) ||
      String(id) === word ||
      version === word ||
      (/^[0-9a-f]{6,64}$/.test(word) && snapshot.startsWith(word)),
  );
  if (!found) {
    throw new AttuneError("NOT_FOUND", `the pack ${pack.ref} has no version ${word.slice(0, 80)}`, {
      hint: `attune pack history ${pack.ref} shows them`,
    });
  }
  const dir = context.snapshots.find(found.snapshot);
  if (dir === null) {
    throw new AttuneError("NOT_FOUND", `the files of version ${word} of ${pack.ref} are not kept any more`, {
      hint: `the last ${kept.versions} versions are kept for ${kept.days} days`,
    });
  }
  return { snapshot: found.snapshot, version: found.version, dir };
}

/** Content hashes of the versions that can be gone back to. */
export async function keptVersions(sql: Sql): Promise<string[]> {
  const { rows } = await sql.query<{ snapshot: string }>(
    `SELECT snapshot FROM (
       SELECT snapshot, row_number() OVER (PARTITION BY pack_ref ORDER BY max(id) DESC) AS place
       FROM pack_history WHERE snapshot IS NOT NULL AND created > now() - make_interval(days => $1) GROUP BY pack_ref, snapshot
     ) latest WHERE place <= $2`,
    [kept.days, kept.versions],
  );
  return rows.map((row) => row.snapshot);
}
