import { type BigIntStats, lstatSync, statfsSync } from "node:fs";
import path from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { toError } from "../../errors.ts";
import type { Scope } from "../../plugin.ts";
import { INSTALLED, isLeftover } from "../leftovers.ts";
import { createQuietTimer } from "./quiet.ts";
import type { DirectoryChange } from "./reconcile.ts";
import { entriesOf, findLinks, type Linked } from "./symlinks.ts";

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
  const watchers = new Map<string, FSWatcher>();
  let links = findLinks(directories);

  function packDirsOf(file: string): string[] {
    const through = links.filter(({ target }) => isInside(target, file));
    const names = [file, ...through.map(({ dir, target }) => dir + file.slice(target.length))];
    return names.flatMap((name) => {
      const roots = directories.filter((root) => name !== root && isInside(root, name));
      return roots.map((root) => path.join(root, path.relative(root, name).split(path.sep)[0] ?? ""));
    });
  }

  function mark(file: string, isDirectory: boolean): void {
    const before = inodes.get(file);
    const now = remember(file, inodes);
    const isEntry = directories.includes(path.dirname(file));
    if (isEntry || directories.includes(file) || links.some(({ through }) => through.includes(file))) followLinks();
    // A temporary file that was renamed before anybody looked: its new name has an event of its own.
    if (!now && before === undefined && !isDirectory && !isEntry) return;
    const complete = now !== undefined && now.ino !== before && isWhole(now);
    for (const dir of packDirsOf(file)) quiet.mark(dir, now ? String(now.ino) : file, complete);
  }

  /** What links lead to is watched too, whatever that is at the time. */
  function followLinks(): void {
    const before = links;
    links = findLinks(directories);
    for (const link of [...before, ...links]) {
      const isSame = before.some(sameAs(link)) && links.some(sameAs(link));
      if (!isSame) for (const dir of packDirsIn(link)) quiet.mark(dir, dir, false);
    }
    watchAll().catch((thrown) => scope.log.warn("watching packs", { error: toError(thrown).message }));
  }

  function packDirsIn({ dir, target }: Linked): string[] {
    return directories.includes(dir) ? entriesOf(target).map((entry) => path.join(dir, path.basename(entry))) : [dir];
  }

  const isInteresting = (file: string) =>
    directories.some((dir) => isInside(dir, file) || isInside(file, dir)) ||
    links.some(({ target, through }) => isInside(target, file) || through.some((link) => isInside(file, link)));
  const isIgnored = (file: string) =>
    !isInteresting(file) || packDirsOf(file).some((dir) => isHidden(dir) || isNoPart(path.relative(dir, file)));

  // A directory that does not exist yet, or is a link, is found through the nearest one above it that is neither.
  const roots = [...new Set(directories.map(nearestDirectory))];
  const usePolling = [...roots, ...directories].some(isNetworked);

  /** Watches what has to be watched now and nothing else; resolves when that is in place. */
  async function watchAll(): Promise<void> {
    const wanted = new Set([...roots, ...links.flatMap(watchedFor)]);
    const others = [...watchers].filter(([root]) => !wanted.has(root));
    for (const [root] of others) watchers.delete(root);
    const added = [...wanted].filter((root) => !watchers.has(root));
    await Promise.all([...added.map(watchRoot), ...others.map(([, watcher]) => watcher.close())]);
  }

  function watchRoot(root: string): Promise<void> {
    const watcher = watch(root, {
      followSymlinks: false,
      ignored: isIgnored,
      ...(usePolling && { usePolling, interval: pollEvery, binaryInterval: pollEvery }),
    });
    watchers.set(root, watcher);
    const polls = watcher.options.usePolling;
    const ready = Promise.withResolvers<void>();
    let isReady = false;
    // What the kernel says comes some milliseconds before what the watcher makes of it, and misses no exchange of a file.
    watcher.on("raw", (_event, name, details) => {
      if (!isReady || polls || name === null) return;
      const file = path.join((details as { watchedPath: string }).watchedPath, name);
      if (!isIgnored(file)) mark(file, false);
    });
    watcher.on("all", (event, file) => {
      // What lay in a directory before it was watched, only the watcher has found.
      const isKnown = event === "change" || (event === "add" && inodes.has(file));
      if (isReady) {
        if (polls || !isKnown) mark(file, event === "addDir" || event === "unlinkDir");
      } else if (event === "add") {
        remember(file, inodes);
      }
    });
    watcher.on("error", (error) => scope.log.warn("watching packs", { error: toError(error).message }));
    watcher.once("ready", () => {
      isReady = true;
      ready.resolve();
    });
    return ready.promise;
  }

  scope.defer(async () => {
    quiet.stop();
    await Promise.all([...watchers.values()].map((watcher) => watcher.close()));
  });
  await watchAll();
}

/** What has to be watched so that neither a change behind the link nor one of where it leads goes unseen. */
function watchedFor({ target, through }: Linked): string[] {
  return [target, ...through.map((link) => path.dirname(link))];
}

function sameAs(one: Linked): (other: Linked) => boolean {
  return ({ dir, target }) => dir === one.dir && target === one.target;
}

/** What programs write with one call, so that nobody sees a part of it. */
const writtenAtOnce = 4_096;

/**
 * Whether a file that is new at its path lies there whole. Being new does not say so: git and cp make new files and then
 * write them. A rename changes only ctime, so it lies behind mtime where the writing had ended before; within one tick of
 * the kernel's clock both are equal, and then only a small file is trusted.
 */
function isWhole(stat: BigIntStats): boolean {
  if (stat.isSymbolicLink()) return true;
  return stat.isFile() && (stat.ctimeNs > stat.mtimeNs || (stat.size > 0n && stat.size <= writtenAtOnce));
}

function remember(file: string, inodes: Map<string, bigint>): BigIntStats | undefined {
  const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (stat && !stat.isDirectory()) inodes.set(file, stat.ino);
  else inodes.delete(file);
  return stat;
}

/** No pack, whatever is in it: packs that are about to be installed are made in such directories. */
function isHidden(packDir: string): boolean {
  return path.basename(packDir).startsWith(".");
}

function isNoPart(relative: string): boolean {
  return relative.split(path.sep).some((name) => name === INSTALLED || isLeftover(name));
}

function nearestDirectory(dir: string): string {
  const isDirectory = lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isDirectory || dir === path.dirname(dir) ? dir : nearestDirectory(path.dirname(dir));
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
