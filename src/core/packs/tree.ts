import { type Dirent, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { AttuneError, toError } from "../errors.ts";
import type { Problem } from "../plugin.ts";
import { type FileStates, isMissing } from "./files.ts";
import { digest } from "./hash.ts";
import { INSTALLED, isLeftover } from "./leftovers.ts";
import { mistake } from "./problems.ts";

/** Most entries looked at in one folder of a pack, and in its whole `lib` tree. */
export const MAX_FILES = 10_000;

/**
 * One digest over names and contents of all files below `folder`; a missing folder has that of an empty one. What can't be
 * read is reported and left out, and so is, silently, what `isPart` refuses.
 */
export async function hashTree(
  root: string,
  folder: string,
  files: FileStates,
  isPart: (relative: string) => boolean = () => true,
): Promise<{ hash: string; problems: Problem[] }> {
  const parts: string[] = [];
  const problems: Problem[] = [];
  let seen = 0;

  async function walk(directory: string): Promise<void> {
    for (const entry of list(directory)) {
      seen += 1;
      if (seen > MAX_FILES) return;
      const relative = `${directory}/${entry.name}`;
      if (isPart(relative)) await add(entry, relative);
    }
  }

  function list(directory: string): Dirent[] {
    try {
      const entries = readdirSync(files.resolve(directory), { withFileTypes: true });
      return entries.filter(({ name }) => name !== INSTALLED && !isLeftover(name)).sort(byName);
    } catch (error) {
      if (!isMissing(error)) refuse(directory, error);
      return [];
    }
  }

  async function add(entry: Dirent, relative: string): Promise<void> {
    try {
      if (entry.isDirectory()) return await walk(relative);
      // A link is followed to a file but not into a directory, which could lead back here.
      if (entry.isSymbolicLink()) parts.push(relative, readlinkSync(join(root, relative)));
      parts.push(relative, (await files.hashOf(relative)).hash);
    } catch (error) {
      if (isMissing(error) || (entry.isSymbolicLink() && isDirectoryInside(relative))) return;
      refuse(relative, error);
    }
  }

  function isDirectoryInside(relative: string): boolean {
    try {
      readdirSync(files.resolve(relative));
      return true;
    } catch {
      // The caller reports its own error, which says more.
      return false;
    }
  }

  function refuse(file: string, thrown: unknown): void {
    const error = toError(thrown);
    const hint = error instanceof AttuneError ? (error.hint ?? null) : null;
    problems.push(mistake(file, null, error.message, hint));
  }

  await walk(folder);
  if (seen > MAX_FILES)
    problems.push(
      mistake(folder, null, `more than ${MAX_FILES} files; the rest is not watched for changes`, "keep data elsewhere"),
    );
  return { hash: digest(...parts), problems };
}

/** By code units, so that every machine sees one order whatever its locale. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
