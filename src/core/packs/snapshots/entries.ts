import { dirname, join } from "node:path";
import type { FileState } from "../files.ts";
import { digest } from "../hash.ts";

/** What stands at one path of a pack. */
export type SnapshotEntry =
  | { readonly kind: "directory" }
  /** `target` is relative to the link's own directory and leads to no further link. */
  | { readonly kind: "link"; readonly target: string }
  /** Installed packages stay where they are; `target` is absolute. */
  | { readonly kind: "installed"; readonly target: string }
  | SnapshotFile;

export interface SnapshotFile extends FileState {
  readonly kind: "file";
  readonly size: number;
  readonly executable: boolean;
}

/** By path relative to the pack, sorted, so that a directory comes before what is in it. */
export type SnapshotEntries = ReadonlyMap<string, SnapshotEntry>;

/** The name of the content: equal for equal trees, wherever they lie and whenever they were written. */
export function hashEntries(entries: SnapshotEntries): string {
  const parts: string[] = [];
  for (const [path, entry] of entries) {
    const content =
      entry.kind === "file" ? `${entry.executable ? "x" : "-"}${entry.hash}` : "target" in entry ? entry.target : "";
    parts.push(path, entry.kind, content);
  }
  // No path and no target can hold a NUL, so that no two trees share a text.
  return digest(parts.join("\0"));
}

/**
 * Paths which a scan read with another content than the snapshot holds, because they changed between the two. What the
 * snapshot has no copy of, such as installed packages, can't differ.
 */
export function differences(entries: SnapshotEntries, scanned: ReadonlyMap<string, FileState>): string[] {
  return [...scanned].filter(([path, state]) => differs(findFile(entries, path), state)).map(([path]) => path);
}

function differs(entry: SnapshotEntry | undefined, state: FileState): boolean {
  if (entry === undefined) return true;
  return entry.kind === "file" && entry.hash !== state.hash;
}

/** What `path` leads to, when it or a directory it goes through is a link. */
function findFile(entries: SnapshotEntries, path: string): SnapshotEntry | undefined {
  const parts = path.split("/");
  for (let length = 1; length <= parts.length; length++) {
    const above = parts.slice(0, length).join("/");
    const entry = entries.get(above);
    if (entry?.kind === "installed") return entry;
    if (entry?.kind === "link") return entries.get(join(dirname(above), entry.target, ...parts.slice(length)));
  }
  return entries.get(path);
}
