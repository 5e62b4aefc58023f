import { createHash } from "node:crypto";
import { closeSync, constants, type Dirent, fstatSync, openSync, readdirSync, readlinkSync, readSync } from "node:fs";
import path from "node:path";
import { breather } from "../breather.ts";
import { INSTALLED, isLeftover } from "../leftovers.ts";
import { byName } from "../tree.ts";

/** A file or link of a pack, as far as versions can differ in it. */
export type PackFile =
  | { readonly kind: "file"; readonly executable: boolean; readonly hash: string; readonly size: number }
  | { readonly kind: "link"; readonly target: string };

/**
 * What a directory holds as a pack, by relative path, sorted. Installed packages and editors' leftovers are no part of it.
 * However much it is, the event loop gets its turns. Rejects when something vanishes meanwhile.
 */
export async function packFiles(dir: string): Promise<Map<string, PackFile>> {
  const files = new Map<string, PackFile>();
  const breathe = breather();
  const walk = async (relative: string) => {
    for (const entry of readdirSync(path.join(dir, relative), { withFileTypes: true }).sort(byName)) {
      if (isLeftover(entry.name) || entry.name === INSTALLED) continue;
      const inner = path.join(relative, entry.name);
      if (entry.isDirectory()) await walk(inner);
      else {
        const file = await read(path.join(dir, inner), entry, breathe);
        if (file) files.set(inner, file);
      }
      await breathe();
    }
  };
  await walk("");
  return files;
}

const atOnce = 256 * 1024;

async function read(full: string, entry: Dirent, breathe: () => Promise<void>): Promise<PackFile | null> {
  if (entry.isSymbolicLink()) return { kind: "link", target: readlinkSync(full) };
  if (!entry.isFile()) return null;
  const fd = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return null;
    const hash = createHash("sha256");
    const buffer = Buffer.alloc(Math.min(atOnce, stat.size + 1));
    let size = 0;
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, count));
      size += count;
      await breathe();
    }
    return { kind: "file", executable: (stat.mode & 0o100) !== 0, hash: hash.digest("hex"), size };
  } finally {
    closeSync(fd);
  }
}

export interface FileDifference {
  readonly path: string;
  readonly change: "added" | "changed" | "removed";
}

/** What has to be done to `before` to get `after`, by path. Pure. */
export function differingFiles(
  before: ReadonlyMap<string, PackFile>,
  after: ReadonlyMap<string, PackFile>,
): readonly FileDifference[] {
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((one): FileDifference[] => {
    const [old, next] = [before.get(one), after.get(one)];
    if (old && next) return Bun.deepEquals(old, next) ? [] : [{ path: one, change: "changed" }];
    return [{ path: one, change: next ? "added" : "removed" }];
  });
}
