import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { AttuneError, toError } from "../../errors.ts";
import { breather } from "../breather.ts";
import { differingFiles, type FileDifference, packFiles } from "./pack-files.ts";

/**
 * Makes the pack in `dir` equal to that in `from`, file by file: each is put in place by a rename, and what differs in
 * nothing is not touched. What is no part of a pack, such as `.git` and installed packages, stays. Returns what it did. Throws
 * REFUSED when the files can't be written; done again it goes on where it ended.
 */
export async function writeBack(from: string, dir: string): Promise<readonly FileDifference[]> {
  const breathe = breather();
  try {
    const changes = differingFiles(await packFiles(dir), await packFiles(from));
    const owner = statSync(dir);
    // First what is in the way: a file where there is to be a directory, or the other way round.
    for (const { path: relative } of changes.filter(({ change }) => change === "removed")) {
      const target = path.join(dir, relative);
      rmSync(target, { force: true });
      removeEmpty(path.dirname(target), dir);
      await breathe();
    }
    for (const { path: relative } of changes.filter(({ change }) => change !== "removed")) {
      const target = path.join(dir, relative);
      makeDirectory(path.dirname(target), owner);
      put(path.join(from, relative), target, owner);
      await breathe();
    }
    return changes;
  } catch (thrown) {
    throw new AttuneError("REFUSED", `the files in ${dir} can't be written: ${toError(thrown).message}`, {
      hint: "the daemon's user must be able to write there; the same command again goes on where it ended",
      cause: thrown,
    });
  }
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

function put(source: string, target: string, owner: Owner): void {
  // The name is that of an editor's backup, which is no part of a pack.
  const staged = path.join(path.dirname(target), `.${path.basename(target)}.${crypto.randomUUID()}~`);
  try {
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) {
      symlinkSync(readlinkSync(source), staged);
    } else {
      copyFileSync(source, staged);
      chmodSync(staged, (stat.mode & 0o100) === 0 ? 0o644 : 0o755);
      give(staged, owner);
    }
    if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) rmSync(target, { recursive: true });
    renameSync(staged, target);
  } finally {
    rmSync(staged, { force: true });
  }
}

function makeDirectory(dir: string, owner: Owner): void {
  const stat = lstatSync(dir, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return;
  makeDirectory(path.dirname(dir), owner);
  // A file or a link is in the way of what was a directory.
  if (stat) rmSync(dir);
  mkdirSync(dir);
  give(dir, owner);
}

/** What root writes stays its owner's to edit. */
function give(file: string, { uid, gid }: Owner): void {
  if (process.getuid?.() === 0) chownSync(file, uid, gid);
}

function removeEmpty(dir: string, root: string): void {
  if (dir === root) return;
  try {
    rmdirSync(dir);
  } catch {
    return; // It holds something still.
  }
  removeEmpty(path.dirname(dir), root);
}
