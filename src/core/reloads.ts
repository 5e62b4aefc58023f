import path from "node:path";
import { announceReload } from "./announce.ts";
import { describeError } from "./errors.ts";
import { snapshotsInUse } from "./executions/store.ts";
import type { HookRunner } from "./hooks.ts";
import { type ReloadReport, recordReload } from "./packs/history.ts";
import type { Snapshots } from "./packs/snapshots.ts";
import type { Logger, Sql } from "./plugin.ts";
import type { Registry } from "./registry.ts";

/** Tells everyone what a reload did: the log, the pack's history and the observers. `restarted`: refs of replaced sensors. */
export function tellReload(
  context: { storage: Sql; hooks: HookRunner; log: Logger },
  report: ReloadReport,
  restarted: readonly string[],
): void {
  const { storage, hooks, log } = context;
  if (!report.isNews) return;
  announceReload(log, report, restarted);
  void recordReload(storage, report).catch((thrown) => log.warn("cannot record a reload", { error: describeError(thrown) }));
  const { pack, added, changed, removed, problems } = report;
  void hooks.notify("pack:changed", { pack, added, changed, removed });
  const errors = problems.filter((problem) => problem.severity === "error");
  if (errors.length > 0) void hooks.notify("pack:rejected", { pack, errors });
}

/** Removes the copies of packs that nothing needs: no served component, no running child, no execution still to run. */
export async function collectSnapshots(
  snapshots: Snapshots,
  registry: Registry,
  running: ReadonlySet<string>,
  sql: Sql,
): Promise<void> {
  const served = [...registry.packs.values()].flatMap((pack) => [pack.snapshot, ...pack.kept.values()]);
  const hashes = served.flatMap((copy) => copy?.hash ?? []);
  await snapshots.collect(new Set([...hashes, ...[...running].map((dir) => path.basename(dir)), ...(await snapshotsInUse(sql))]));
}
