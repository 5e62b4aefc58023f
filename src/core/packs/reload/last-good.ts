import type { Sql } from "../../plugin.ts";
import type { LoadedPack } from "../../registry.ts";
import { scanPack } from "../scan.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";
import { mergeScan } from "./diff.ts";
import type { Disk } from "./disk.ts";

/**
 * The packs that have mistakes on disk, as they were when their files last had none: starting anew must not take away what
 * a mistake alone leaves in force. A pack whose copy of that time is gone is left out.
 */
export async function lastGoodPacks(sql: Sql, disk: Disk, snapshots: Snapshots): Promise<ReadonlyMap<string, LoadedPack>> {
  const packs = new Map<string, LoadedPack>();
  for (const { ref, manifest, broken } of disk.scans.values()) {
    if (manifest !== null && broken.length === 0) continue;
    const { rows } = await sql.query<{ snapshot: string }>(
      "SELECT snapshot FROM pack_history WHERE pack_ref = $1 AND snapshot IS NOT NULL AND errors = '[]' ORDER BY id DESC LIMIT 1",
      [ref],
    );
    const hash = rows[0]?.snapshot;
    const dir = hash === undefined ? null : snapshots.find(hash);
    if (hash === undefined || dir === null) continue;
    const pack = mergeScan(undefined, await scanPack(dir, { runtimeNames: disk.runtimeNames() }));
    if (pack) packs.set(ref, { ...pack, snapshot: { hash, dir } });
  }
  return packs;
}
