import { chmodSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { removeAll } from "./remove.ts";

/** A private temp directory and its removal. */
export function tempDir(name: string): { readonly path: string; readonly [Symbol.dispose]: () => void } {
  const path = mkdtempSync(join(tmpdir(), `attune-${name}-`));
  return { path, [Symbol.dispose]: () => removeAll(path) };
}

/** Puts a file in place as most editors do. */
export function saveByRename(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.tmp~`, text, { mode: text.startsWith("#!") ? 0o755 : 0o644 });
  renameSync(`${file}.tmp~`, file);
}

/** Writes files below `dir`, path to content, and returns `dir`. What starts with `#!` becomes executable. */
export function writePack(dir: string, files: Readonly<Record<string, string>>): string {
  for (const [path, content] of Object.entries(files)) {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    if (content.startsWith("#!")) chmodSync(file, 0o755);
  }
  return dir;
}
