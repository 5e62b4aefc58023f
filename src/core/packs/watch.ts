import { type BigIntStats, existsSync, lstatSync, readdirSync, realpathSync, statfsSync } from "node:fs";
import path from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { toError } from "../errors.ts";
import type { Scope } from "../plugin.ts";
import { INSTALLED, isLeftover } from "./leftovers.ts";
import { createQuietTimer } from "./quiet.ts";
import type { DirectoryChange } from "./reconcile.ts";

export interface WatchOptions {
  /** Directories that hold packs; they may appear later. */
  readonly directories: readonly string[];
  /** The pack directories that changed, as absolute paths. */
  readonly changed: (changes: ReadonlyMap<string, DirectoryChange>) => void;
}

/** File systems that report no changes made by others: NFS, SMB (three ages), FUSE, 9P. */
const networked = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997]);
/** Milliseconds between two looks at a file on a network file system. */
const pollEvery = 500;

/**
 * Watches pack directories and says which packs have changed, never what: the reader looks for itself. Resolves when the
 * watch is in place; ends with the scope.
 */
export async function watchPacks(scope: Scope, options: WatchOptions): Promise<void> {
  const { directories } = options;
  const inodes = new Map<string, bigint>();
  const quiet = createQuietTimer(options.changed);
  let links = new Map<string, string>();

  function packDirsOf(file: string): string[] {
    const linked = [...links].filter(([target]) => isInside(target, file)).map(([, dir]) => dir);
    const direct = directories.filter((root) => file !== root && isInside(root, file));
    return [...linked, ...direct.map((root) => path.join(root, path.relative(root, file).split(path.sep)[0] ?? ""))];
  }

  function mark(event: string, file: string): void {
    const before = inodes.get(file);
    const now = remember(file, inodes);
    // A temporary file that was renamed before anybody looked: its new name has an event of its own.
    if (!now && before === undefined && event !== "unlinkDir") return;
    const complete = now !== undefined && now.ino !== before && isWhole(now);
    for (const dir of packDirsOf(file)) quiet.mark(dir, now ? String(now.ino) : file, complete);
    if (directories.includes(path.dirname(file))) followLinks();
  }

  /** A pack directory that is a link: its target is watched too, whatever the link points to at the time. */
  function followLinks(): void {
    const before = links;
    // First, since the watcher asks at once whether a target is of interest.
    links = new Map(directories.flatMap(linksIn));
    for (const target of before.keys()) if (!links.has(target)) watcher.unwatch(target);
    for (const target of links.keys()) if (!before.has(target)) watcher.add(target);
  }

  // A directory that does not exist yet is found through the nearest one above it that does.
  const roots = [...new Set(directories.map(nearestExisting))];
  const isInteresting = (file: string) =>
    directories.some((dir) => isInside(dir, file) || isInside(file, dir)) ||
    [...links.keys()].some((target) => isInside(target, file));
  const watcher: FSWatcher = watch(roots, {
    followSymlinks: false,
    ignored: (file) => !isInteresting(file) || packDirsOf(file).some((dir) => isNoPart(path.relative(dir, file))),
    ...(roots.some(isNetworked) && { usePolling: true, interval: pollEvery, binaryInterval: pollEvery }),
  });
  scope.defer(async () => {
    quiet.stop();
    await watcher.close();
  });

  const ready = Promise.withResolvers<void>();
  let isReady = false;
  watcher.on("all", (event, file) => {
    if (isReady) mark(event, file);
    else if (event === "add") remember(file, inodes);
  });
  watcher.on("error", (error) => scope.log.warn("watching packs", { error: toError(error).message }));
  watcher.once("ready", () => {
    isReady = true;
    followLinks();
    ready.resolve();
  });
  await ready.promise;
}

/** What programs write with one call, so that nobody sees a part of it. */
const writtenAtOnce = 4_096;

/**
 * Whether a file that is new at its path lies there whole. Being new does not say so: git and cp make new files and then
 * write them. A rename changes only ctime, so it lies behind mtime where the writing had ended before; within one tick of
 * the kernel's clock both are equal, and then only a small file is trusted.
 */
function isWhole(stat: BigIntStats): boolean {
  return stat.isFile() && (stat.ctimeNs > stat.mtimeNs || (stat.size > 0n && stat.size <= writtenAtOnce));
}

function remember(file: string, inodes: Map<string, bigint>): BigIntStats | undefined {
  const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (stat?.isFile()) inodes.set(file, stat.ino);
  else inodes.delete(file);
  return stat;
}

function linksIn(root: string): [target: string, dir: string][] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    if (!entry.isSymbolicLink()) return [];
    const dir = path.join(root, entry.name);
    try {
      return [[realpathSync(dir), dir]];
    } catch {
      return []; // It points nowhere now; when that changes, so does the link or the periodic look finds it.
    }
  });
}

function isNoPart(relative: string): boolean {
  return relative.split(path.sep).some((name) => name === INSTALLED || isLeftover(name));
}

function nearestExisting(dir: string): string {
  return existsSync(dir) || dir === path.dirname(dir) ? dir : nearestExisting(path.dirname(dir));
}

function isNetworked(dir: string): boolean {
  try {
    return networked.has(statfsSync(dir).type);
  } catch {
    return false;
  }
}

function isInside(parent: string, file: string): boolean {
  return file === parent || file.startsWith(parent.endsWith(path.sep) ? parent : parent + path.sep);
}
