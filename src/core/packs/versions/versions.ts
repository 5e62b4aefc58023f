import {
  type Action,
  findAction,
  type LoadedPack,
  packOf,
  type Registry,
  type Sensor,
  type SnapshotRef,
  snapshotOf,
} from "../../registry.ts";
import { runtimeNamesOf } from "../runner.ts";
import { type ScannedPack, scanPack } from "../scan.ts";
import type { Snapshots } from "../snapshots/snapshots.ts";

/** The pack with the copy of its files; what is served although its file is broken or gone keeps the copy it had. Pure. */
export function withSnapshot(
  next: LoadedPack,
  live: LoadedPack | undefined,
  scanned: ScannedPack,
  snapshot: SnapshotRef | null,
): LoadedPack {
  const old = [...next.actions.keys()].filter((ref) => !scanned.actions.has(ref));
  old.push(...[...next.sensors.keys()].filter((ref) => !scanned.sensors.has(ref)));
  return { ...next, snapshot, kept: new Map(old.map((ref) => [ref, live ? snapshotOf(live, ref) : null])) };
}

/** The component as it lies in a copy of its pack. */
export function relocated<C extends Action | Sensor>(component: C, dir: string | undefined): C {
  if (dir === undefined) return component;
  const isInside = component.entrypoint.startsWith(`${component.dir}/`);
  return {
    ...component,
    dir,
    entrypoint: isInside ? dir + component.entrypoint.slice(component.dir.length) : component.entrypoint,
  };
}

/** Finds the action that an execution was made with. */
export type FindVersion = (action: string, snapshot: string | null) => Action | undefined | Promise<Action | undefined>;

/** Versions no longer served that stay read in memory, for executions that still wait. */
const keptInMemory = 8;

/** An execution made with an older version of its pack runs from that version's copy. */
export function createVersions(registry: () => Registry, snapshots: Snapshots): FindVersion {
  const older = new Map<string, Promise<ScannedPack>>();

  function read(hash: string, dir: string): Promise<ScannedPack> {
    const known = older.get(hash);
    if (known) return known;
    const scanned = scanPack(dir, { runtimeNames: runtimeNamesOf(registry().runtimes.values()) });
    older.set(hash, scanned);
    const [oldest] = older.keys();
    if (older.size > keptInMemory && oldest !== undefined) older.delete(oldest);
    return scanned;
  }

  return (ref, hash) => {
    const pack = registry().packs.get(packOf(ref));
    const current = pack ? snapshotOf(pack, ref) : null;
    const action = findAction(registry(), ref);
    const dir = hash === null || hash === current?.hash ? null : snapshots.find(hash);
    if (hash === null || dir === null) return action && relocated(action, current?.dir);
    return read(hash, dir).then((scanned) => {
      const old = scanned.actions.get(ref);
      return old && relocated(old, dir);
    });
  };
}
