import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AttuneError, toError } from "../../errors.ts";
import { insideResolver } from "../../paths.ts";
import { isSettled, stampOf, WHOLE_FILE_BYTES } from "../files.ts";
import { digest } from "../hash.ts";
import { INSTALLED, isLeftover } from "../leftovers.ts";
import { MAX_FILES } from "../tree.ts";
import type { SnapshotEntries, SnapshotEntry, SnapshotFile } from "./entries.ts";
import type { Content, Objects } from "./objects.ts";

const MAX_BYTES = 512 * 1024 * 1024;
/** How often a file that changes while it is copied is copied anew, with a longer pause before each. */
const ATTEMPTS = 5;
const PAUSE_MS = 10;
/**
 * Gone since it was listed, replaced by a link, or unreadable, which it is for the pack's processes too: they run as
 * the daemon's user.
 */
const NOT_COPIED = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EACCES", "EPERM", "ENXIO"]);

interface ReadOptions {
  readonly objects: Objects;
  /** What an earlier reading of the same pack found. */
  readonly previous: SnapshotEntries | undefined;
  /** Real path of a directory that is no part of the pack even when it lies in it. */
  readonly except: string;
  readonly rest: () => Promise<void>;
}

/**
 * Lists the pack in the directory `root`, a real path, and sees to it that every content is among the objects. A file with
 * the stamp of the earlier reading is not read. Throws PACK_INVALID for a pack beyond the limits, and for a file that never keeps still.
 */
export async function readPack(root: string, { objects, previous, except, rest }: ReadOptions): Promise<SnapshotEntries> {
  const found: [string, SnapshotEntry][] = [];
  const resolve = insideResolver(root);
  const folders = [""];
  let bytes = 0;

  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of list(join(root, folder))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const entry = await look(path, name);
      if (!entry) continue;
      if (entry.kind === "directory") folders.push(path);
      if (entry.kind === "file") bytes += entry.size;
      found.push([path, entry]);
      if (found.length > MAX_FILES) throw tooLarge(`more than ${MAX_FILES} files`);
      await rest();
    }
  }
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));

  async function look(path: string, name: string): Promise<SnapshotEntry | null> {
    const full = join(root, path);
    const stats = lstatSync(full, { bigint: true, throwIfNoEntry: false });
    if (!stats || full === except) return null;
    if (name === INSTALLED) return { kind: "installed", target: full };
    if (stats.isDirectory()) return { kind: "directory" };
    if (stats.isSymbolicLink()) return linkInside(path);
    if (!stats.isFile()) return null;
    if (bytes + Number(stats.size) > MAX_BYTES) throw tooLarge(`more than ${MAX_BYTES / 1024 / 1024} MiB`);
    const known = previous?.get(path);
    const isKnown = known?.kind === "file" && known.settled && known.stamp === stampOf(stats) && objects.has(known);
    return isKnown ? known : copySteady(full, path, objects, rest);
  }

  /** null for one that leads nowhere or out of the pack: a scan reports those. */
  function linkInside(path: string): SnapshotEntry | null {
    try {
      const target = relative(join(root, dirname(path)), realpathSync(resolve(path)));
      return { kind: "link", target: target === "" ? "." : target };
    } catch (error) {
      if (error instanceof AttuneError) return null;
      throw error;
    }
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !isLeftover(name));
  } catch (error) {
    if (isNotCopied(error)) return [];
    throw error;
  }
}

/** Copies one version of the file: one that was written to meanwhile is copied again. null when there is nothing to copy. */
async function copySteady(full: string, path: string, objects: Objects, rest: () => Promise<void>): Promise<SnapshotFile | null> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const copied = await copyOnce(full, objects, rest);
    if (copied !== "changed") return copied;
    await sleep(attempt * PAUSE_MS);
  }
  throw new AttuneError("PACK_INVALID", `${path} keeps changing while it is copied`, {
    hint: "keep what changes all the time outside the pack",
    retryable: true,
  });
}

async function copyOnce(full: string, objects: Objects, rest: () => Promise<void>): Promise<SnapshotFile | null | "changed"> {
  const readAt = Date.now();
  const fd = openForReading(full);
  if (fd === null) return null;
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (!stats.isFile()) return null;
    const size = Number(stats.size);
    const executable = (stats.mode & 0o111n) !== 0n;
    const contentOf = (hash: string): Content => ({ hash, size, executable });
    const hash = await (size <= WHOLE_FILE_BYTES ? copyWhole : copyInPieces)(fd, stats, contentOf, objects, rest);
    if (hash === null) return "changed";
    return { kind: "file", stamp: stampOf(stats), settled: isSettled(stats, readAt), ...contentOf(hash) };
  } finally {
    closeSync(fd);
  }
}

/** null when the file changed meanwhile. */
type Copy = (
  fd: number,
  stats: BigIntStats,
  contentOf: (hash: string) => Content,
  objects: Objects,
  rest: () => Promise<void>,
) => Promise<string | null>;

const copyWhole: Copy = async (fd, stats, contentOf, objects) => {
  const bytes = Buffer.allocUnsafe(Number(stats.size));
  let length = 0;
  for (let count = -1; count !== 0 && length < bytes.length; length += count) {
    count = readSync(fd, bytes, length, bytes.length - length, length);
  }
  if (hasChanged(fd, stats)) return null;
  const hash = digest(bytes);
  if (objects.has(contentOf(hash))) return hash;
  const draft = objects.create();
  try {
    draft.write(bytes);
    draft.keep(contentOf(hash));
  } finally {
    draft.end();
  }
  return hash;
};

const copyInPieces: Copy = async (fd, stats, contentOf, objects, rest) => {
  const draft = objects.create();
  try {
    const hasher = new Bun.CryptoHasher("sha256");
    const piece = Buffer.allocUnsafe(WHOLE_FILE_BYTES);
    // One byte beyond the size would be enough to know that the file grew.
    for (let at = 0, count = -1; count !== 0 && at <= stats.size; at += count) {
      count = readSync(fd, piece, 0, piece.length, at);
      hasher.update(piece.subarray(0, count));
      draft.write(piece.subarray(0, count));
      await rest();
    }
    if (hasChanged(fd, stats)) return null;
    const hash = hasher.digest("hex");
    if (!objects.has(contentOf(hash))) draft.keep(contentOf(hash));
    return hash;
  } finally {
    draft.end();
  }
};

function openForReading(full: string): number | null {
  try {
    // O_NONBLOCK: a FIFO put in the file's place after it was looked at must not hang the daemon.
    return openSync(full, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (isNotCopied(error)) return null;
    throw error;
  }
}

function hasChanged(fd: number, before: BigIntStats): boolean {
  return stampOf(fstatSync(fd, { bigint: true })) !== stampOf(before);
}

function isNotCopied(thrown: unknown): boolean {
  return NOT_COPIED.has((toError(thrown) as NodeJS.ErrnoException).code ?? "");
}

function tooLarge(what: string): AttuneError {
  return new AttuneError("PACK_INVALID", `the pack holds ${what}`, { hint: "keep data outside the pack's directory" });
}
