import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { AttuneError, toError } from "../errors.ts";
import { insideResolver } from "../paths.ts";
import { digest } from "./hash.ts";

/** Larger files are read piece by piece, so that neither memory nor the event loop is held by one. */
export const WHOLE_FILE_BYTES = 1024 * 1024;
/**
 * A file system stamps times with the kernel's tick (at most 10 ms). Two writes within one tick can leave the same stamp, so a
 * stamp proves "unchanged" only when it was already older than this at the time of reading.
 */
const STAMP_SETTLES_MS = 25;

/** What was known of a file's content when it was last read. */
export interface FileState {
  /** Identity, size and times of the file: equal for an untouched file. */
  readonly stamp: string;
  /** Whether an equal stamp proves equal content. */
  readonly settled: boolean;
  readonly hash: string;
}

/** Content states by path relative to the pack, carried from one scan to the next. */
export interface FileStates {
  /** Absolute path of a file or directory below the root; see `resolveInside`. */
  readonly resolve: (relative: string) => string;
  /** The state of the file's content; read only when the file may have changed since the last scan. */
  hashOf(relative: string): Promise<FileState>;
  /**
   * What `parse` makes of a small file, or `known`, which it made in the last scan, when the content is still the same. `parse` gets at
   * most one byte more than `maxBytes`, by which it can tell that the file is too large.
   */
  parsed<T>(relative: string, maxBytes: number, known: T | undefined, parse: (bytes: Uint8Array) => T): T;
  /**
   * The state of the file's content together with what `parse` makes of it, or `known`, which it made in the last scan, when the content
   * is still the same. `parse` gets null for a file of more than 1 MiB.
   */
  examined<T>(
    relative: string,
    known: T | undefined,
    parse: (bytes: Uint8Array | null) => T,
  ): Promise<{ readonly state: FileState; readonly value: T }>;
  readonly states: ReadonlyMap<string, FileState>;
}

/** Reads files below `root`. Links that leave it, and whatever is no regular file, are refused with an AttuneError. */
export function fileStates(root: string, previous: ReadonlyMap<string, FileState>): FileStates {
  const states = new Map<string, FileState>();
  const resolveInside = insideResolver(root);
  const resolved = new Map<string, string>();

  /** Once for each path: a script is looked for, looked at and read. */
  function resolve(relative: string): string {
    const path = resolved.get(relative) ?? resolveInside(relative);
    resolved.set(relative, path);
    return path;
  }

  function look(relative: string): { path: string; stats: BigIntStats; known: FileState | undefined } {
    const path = resolve(relative);
    const stats = statSync(path, { bigint: true });
    if (!stats.isFile()) throw notRegular();
    const before = previous.get(relative);
    return { path, stats, known: before?.settled && before.stamp === stampOf(stats) ? before : undefined };
  }

  function keep(relative: string, stats: BigIntStats, readAt: number, hash: string): FileState {
    const state = { stamp: stampOf(stats), settled: isSettled(stats, readAt), hash };
    states.set(relative, state);
    return state;
  }

  async function hashOf(relative: string): Promise<FileState> {
    return (await examined(relative, null, () => null)).state;
  }

  async function examined<T>(relative: string, known: T | undefined, parse: (bytes: Uint8Array | null) => T) {
    const found = look(relative);
    if (found.known && known !== undefined) {
      states.set(relative, found.known);
      return { state: found.known, value: known };
    }
    const readAt = Date.now();
    const choose = (state: FileState, bytes: Uint8Array | null) => {
      const isSame = known !== undefined && previous.get(relative)?.hash === state.hash;
      return { state, value: isSame ? known : parse(bytes) };
    };
    if (found.stats.size <= WHOLE_FILE_BYTES) {
      const { bytes, stats } = readWhole(found.path, WHOLE_FILE_BYTES);
      return choose(keep(relative, stats, readAt, digest(bytes)), bytes);
    }
    const hasher = new Bun.CryptoHasher("sha256");
    for await (const chunk of Bun.file(found.path).stream()) hasher.update(chunk);
    return choose(keep(relative, found.stats, readAt, hasher.digest("hex")), null);
  }

  function parsed<T>(relative: string, maxBytes: number, known: T | undefined, parse: (bytes: Uint8Array) => T): T {
    const found = look(relative);
    if (found.known && known !== undefined) {
      states.set(relative, found.known);
      return known;
    }
    const readAt = Date.now();
    const { bytes, stats } = readWhole(found.path, maxBytes);
    const { hash } = keep(relative, stats, readAt, digest(bytes));
    return known !== undefined && previous.get(relative)?.hash === hash ? known : parse(bytes);
  }

  return { resolve, hashOf, parsed, examined, states };
}

/** At most `maxBytes + 1` bytes, so that a caller can see that a file is too large without holding all of it. */
function readWhole(path: string, maxBytes: number): { bytes: Uint8Array; stats: BigIntStats } {
  // O_NONBLOCK: a FIFO put in the file's place after it was looked at must not hang the daemon.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (!stats.isFile()) throw notRegular();
    const buffer = Buffer.allocUnsafe(Math.min(Number(stats.size), maxBytes + 1));
    let length = 0;
    while (length < buffer.length) {
      const count = readSync(fd, buffer, length, buffer.length - length, length);
      if (count === 0) break;
      length += count;
    }
    return { bytes: buffer.subarray(0, length), stats };
  } finally {
    closeSync(fd);
  }
}

function notRegular(): AttuneError {
  return new AttuneError("PACK_INVALID", "it is not a regular file", { hint: "put a plain file in its place" });
}

/** Whether the stamp of a file read at `readAt`, in milliseconds since 1970, proves its content from then on. */
export function isSettled({ ctimeMs }: BigIntStats, readAt: number): boolean {
  return Number(ctimeMs) < readAt - STAMP_SETTLES_MS;
}

export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** Whether the error says that nothing is there, as opposed to something that can't be used. */
export function isMissing(thrown: unknown): boolean {
  const { code } = toError(thrown) as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "NOT_FOUND";
}
