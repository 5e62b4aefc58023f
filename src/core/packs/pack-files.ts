import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { INSTALLED, isLeftover } from "./leftovers.ts";

/** A file or link of a pack, as far as versions can differ in it. */
export type PackFile =
  | { readonly kind: "file"; readonly executable: boolean; readonly hash: string; readonly size: number }
  | { readonly kind: "link"; readonly target: string };

/** What a directory holds as a pack, by relative path, sorted. Installed packages and editors' leftovers are no part of it. */
export function packFiles(dir: string): Map<string, PackFile> {
  const files = new Map<string, PackFile>();
  const walk = (relative: string) => {
    for (const entry of readdirSync(path.join(dir, relative), { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (isLeftover(entry.name) || entry.name === INSTALLED) continue;
      const inner = path.join(relative, entry.name);
      const full = path.join(dir, inner);
      if (entry.isDirectory()) walk(inner);
      else if (entry.isSymbolicLink()) files.set(inner, { kind: "link", target: readlinkSync(full) });
      else if (entry.isFile()) {
        const content = readFileSync(full);
        const hash = createHash("sha256").update(content).digest("hex");
        files.set(inner, { kind: "file", executable: (lstatSync(full).mode & 0o100) !== 0, hash, size: content.byteLength });
      }
    }
  };
  walk("");
  return files;
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
