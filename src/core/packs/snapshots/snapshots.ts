import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { lstat, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { AttuneError, describeError, toError } from "../../errors.ts";
import { removeTree } from "../../remove-tree.ts";
import { breather } from "../breather.ts";
import { hashEntries, type SnapshotEntries, type SnapshotEntry } from "./entries.ts";
import { isIntact, type Objects, openObjects } from "./objects.ts";
import { readPack } from "./read.ts";

/** A pack as it was at one moment: a read-only copy of its directory. */
export interface Snapshot {
  /** SHA-256 in hex over paths, executable bits and contents. */
  readonly hash: string;
  /** Absolute path of the copy, which is itself a valid pack directory. */
  readonly dir: string;
  /** What it holds, and what the files in the pack looked like when they were read. */
  readonly entries: SnapshotEntries;
}

export interface Snapshots {
  /**
   * The pack in `packDir`, which may be a link, as it is now. A file that did not change since `previous`, a snapshot of the same pack,
   * is neither read nor copied. Editors' and tools' leftovers are no part of it; `node_modules` is a link to the original; links that
   * leave the pack, devices and files the daemon can't read are left out.
   *
   * Throws NOT_FOUND when there is no such directory, PACK_INVALID for a pack beyond the limits (10,000 files, 512 MiB) or, as retryable, with
   * a file that keeps changing, and DATA_DIR_UNUSABLE when the copy can't be written.
   */
  take(packDir: string, previous?: Snapshot): Promise<Snapshot>;
  /** Those that `collect` would remove. */
  unneeded(keep: ReadonlySet<string>): Promise<readonly string[]>;
  /** Directory of a snapshot that is still kept. */
  find(hash: string): string | null;
  /**
   * Removes all snapshots but those in `keep`, which must name everything in use, and the {@link SPARE} of the others that were taken
   * last; also what an interrupted `take` left behind. Waits for takes under way, and later ones wait for it.
   */
  collect(keep: ReadonlySet<string>): Promise<void>;
}

/** How many unused snapshots are kept, for edits that are undone and executions that still wait. */
export const SPARE = 32;
const HASH = /^[0-9a-f]{64}$/;

/** Opens the snapshots below `dataDir`, and creates their directories. One process at a time may use them. */
export function openSnapshots(dataDir: string): Snapshots {
  const store = join(dataDir, "snapshots");
  mkdirSync(store, { recursive: true, mode: 0o700 });
  const objects = openObjects(join(dataDir, "objects"));
  const except = realpathSync(dataDir);
  const taking = new Set<Promise<unknown>>();
  let collected: Promise<unknown> = Promise.resolve();

  async function takeNow(packDir: string, previous: Snapshot | undefined): Promise<Snapshot> {
    const rest = breather();
    try {
      const entries = await readPack(rootOf(packDir), { objects, previous: previous?.entries, except, rest });
      const hash = hashEntries(entries);
      const dir = join(store, hash);
      if (existsSync(dir)) await repair(dir, entries, objects, rest);
      else await build(dir, entries, rest);
      return { hash, dir, entries };
    } catch (thrown) {
      throw explain(thrown, packDir);
    }
  }

  async function build(dir: string, entries: SnapshotEntries, rest: () => Promise<void>): Promise<void> {
    // Beside its place and not elsewhere: only then may a read-only directory be renamed.
    const staged = join(store, `new-${crypto.randomUUID()}`);
    try {
      mkdirSync(staged, { mode: 0o755 });
      for (const [path, entry] of entries) {
        put(entry, join(staged, path), objects);
        await rest();
      }
      close(staged, entries);
      // A take of an equal pack may have been faster, and its directory is as good.
      if (existsSync(dir)) await removeTree(staged);
      else renameSync(staged, dir);
    } catch (error) {
      await removeTree(staged);
      throw error;
    }
  }

  async function unneeded(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const unused = (await readdir(store)).filter((name) => HASH.test(name) && !keep.has(name));
    const age = new Map<string, number>();
    for (const name of unused) age.set(name, (await lstat(join(store, name))).mtimeMs);
    return unused.sort((a, b) => (age.get(b) ?? 0) - (age.get(a) ?? 0)).slice(SPARE);
  }

  async function collectNow(keep: ReadonlySet<string>): Promise<void> {
    const failures: unknown[] = [];
    const others = (await readdir(store)).filter((name) => !HASH.test(name));
    for (const name of [...(await unneeded(keep)), ...others]) {
      try {
        // Under its name it would pass for whole while it is being removed.
        const doomed = join(store, `old-${crypto.randomUUID()}`);
        await rename(join(store, name), doomed);
        await removeTree(doomed);
      } catch (error) {
        failures.push(error);
      }
    }
    await objects.sweep(breather());
    if (failures.length > 0) throw unusable(`${failures.length} old snapshots in ${store} can't be removed`, failures[0]);
  }

  return {
    take(packDir, previous) {
      const turn = collected.then(() => takeNow(packDir, previous));
      taking.add(turn);
      return turn.finally(() => taking.delete(turn));
    },
    unneeded,
    find(hash) {
      const dir = join(store, hash);
      return HASH.test(hash) && existsSync(dir) ? dir : null;
    },
    collect(keep) {
      const turn = Promise.allSettled([collected, ...taking]).then(() => collectNow(keep));
      // Who called it gets the failure; the takes that wait for it have nothing to do with that.
      collected = turn.catch(() => {});
      return turn;
    },
  };
}

function rootOf(packDir: string): string {
  try {
    return realpathSync(packDir);
  } catch (cause) {
    throw new AttuneError("NOT_FOUND", `there is no directory ${packDir}`, { cause });
  }
}

/** A pack's process that runs as root can write in its snapshot in spite of the modes: what is damaged is put right, in place. */
async function repair(dir: string, entries: SnapshotEntries, objects: Objects, rest: () => Promise<void>): Promise<void> {
  const damaged: [string, SnapshotEntry][] = [];
  for (const [path, entry] of entries) {
    if (!isThere(entry, join(dir, path))) damaged.push([path, entry]);
    await rest();
  }
  if (damaged.length > 0) {
    open(dir, entries);
    for (const [path, entry] of damaged) {
      rmSync(join(dir, path), { recursive: true, force: true });
      put(entry, join(dir, path), objects);
    }
    close(dir, entries);
  }
  const now = new Date();
  utimesSync(dir, now, now);
}

function isThere(entry: SnapshotEntry, path: string): boolean {
  if (entry.kind === "file") return isIntact(path, entry);
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (entry.kind === "directory") return stats?.isDirectory() ?? false;
  return stats?.isSymbolicLink() === true && readlinkSync(path) === entry.target;
}

function put(entry: SnapshotEntry, path: string, objects: Objects): void {
  switch (entry.kind) {
    case "directory":
      mkdirSync(path, { mode: 0o755 });
      break;
    case "file":
      objects.place(entry, path);
      break;
    case "link":
    case "installed":
      symlinkSync(entry.target, path);
      break;
  }
}

/** Makes the directories read-only. */
function close(dir: string, entries: SnapshotEntries): void {
  for (const path of directoriesOf(entries)) chmodSync(join(dir, path), 0o555);
}

function open(dir: string, entries: SnapshotEntries): void {
  for (const path of directoriesOf(entries)) {
    if (lstatSync(join(dir, path), { throwIfNoEntry: false })?.isDirectory()) chmodSync(join(dir, path), 0o755);
  }
}

function directoriesOf(entries: SnapshotEntries): string[] {
  return ["", ...[...entries].filter(([, entry]) => entry.kind === "directory").map(([path]) => path)];
}

function explain(thrown: unknown, packDir: string): AttuneError {
  return thrown instanceof AttuneError ? thrown : unusable(`no snapshot of ${packDir} can be made`, thrown);
}

function unusable(what: string, thrown: unknown): AttuneError {
  return new AttuneError("DATA_DIR_UNUSABLE", `${what}: ${describeError(toError(thrown))}`, {
    hint: "check that the disk of the data directory has space and can be written",
    retryable: true,
    cause: thrown,
  });
}
