import { createHash } from "node:crypto";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { walk } from "./walk.ts";

/** In a pack's directory: travels with it wherever it is moved or copied, and is no part of the pack's content. */
export const recordFile = ".attune-install.json";

/** Where an installed pack came from. */
export interface InstallRecord {
  /** As `parseSource` reads it. */
  readonly source: string;
  /** Path or URL of the index that named it. */
  readonly index: string | null;
  readonly version: string;
  /** Of the archive, hexadecimal. */
  readonly sha256: string | null;
  readonly commit: string | null;
  /** Digest of the files as they were installed, by which later edits show. */
  readonly content: string;
  /** RFC 3339 */
  readonly installed_at: string;
}

export function writeRecord(dir: string, record: InstallRecord): void {
  writeFileSync(path.join(dir, recordFile), `${JSON.stringify(record, null, 2)}\n`);
}

/** null when the pack was not installed, or the file does not say from where. */
export function readRecord(dir: string): InstallRecord | null {
  let value: Partial<Record<string, unknown>>;
  try {
    value = Object(JSON.parse(readFileSync(path.join(dir, recordFile), "utf8")));
  } catch {
    return null; // Not there, or edited to something else: then nothing is known of it.
  }
  const text = (key: keyof InstallRecord) => (typeof value[key] === "string" ? value[key] : null);
  const [source, version, content] = [text("source"), text("version"), text("content")];
  if (source === null || version === null || content === null) return null;
  const installed_at = text("installed_at") ?? "";
  return { source, index: text("index"), version, sha256: text("sha256"), commit: text("commit"), content, installed_at };
}

/** One digest over names, contents and the executable bit of all that is part of the pack. */
export function contentDigest(root: string, isPart: (name: string) => boolean): string {
  const hash = createHash("sha256");
  const found = [...walk(root, isPart)].filter(({ stat }) => !stat.isDirectory());
  for (const { name, stat } of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.join(root, name);
    const content = stat.isSymbolicLink() ? readlinkSync(file) : stat.isFile() ? readFileSync(file) : "";
    hash.update(`${name}\0${(stat.mode & 0o100) !== 0 ? "x" : "-"}${createHash("sha256").update(content).digest("hex")}\n`);
  }
  return hash.digest("hex");
}
