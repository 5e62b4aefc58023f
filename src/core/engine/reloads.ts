import path from "node:path";
import { describeError } from "../errors.ts";
import { snapshotsInUse, snapshotsOfExecutions } from "../executions/store.ts";
import type { HookRunner } from "../hooks.ts";
import { type ReloadReport, recordReload } from "../packs/reload/history.ts";
import type { Snapshots } from "../packs/snapshots/snapshots.ts";
import { keptVersions } from "../packs/versions/pack-versions.ts";
import type { Logger, Sql } from "../plugin.ts";
import type { Registry } from "../registry.ts";
import { announceReload } from "./announce.ts";

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

/** Milliseconds for which an execution that needs a copy is taken to be still there. */
const believed = 3_600_000;

/**
 * Gives what removes the copies of packs that nothing needs: no served component, no running child, no execution, and none
 * of the versions that are kept for going back.
 */
export function createSnapshotCollector(snapshots: Snapshots, sql: Sql) {
  let needed = new Set<string>();
  let asked = Number.NEGATIVE_INFINITY;

  /** Executions are looked through only when there is something to remove, and not each time. */
  async function withNeeded(keep: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    if (performance.now() - asked > believed) needed = new Set();
    const candidates = await snapshots.unneeded(new Set([...keep, ...needed]));
    if (candidates.length > 0) {
      asked = performance.now();
      for (const hash of await snapshotsOfExecutions(sql, candidates)) needed.add(hash);
    }
    return new Set([...keep, ...needed]);
  }

  return async (registry: Registry, running: ReadonlySet<string>): Promise<void> => {
    await snapshots.collect(await withNeeded(await inUse(sql, registry, running)));
  };
}

async function inUse(sql: Sql, registry: Registry, running: ReadonlySet<string>): Promise<Set<string>> {
  const served = [...registry.packs.values()].flatMap((pack) => [pack.snapshot, ...pack.kept.values()]);
  const hashes = served.flatMap((copy) => copy?.hash ?? []);
  const others = await Promise.all([snapshotsInUse(sql), keptVersions(sql)]);
  return new Set([...hashes, ...[...running].map((dir) => path.basename(dir)), ...others.flat()]);
}
