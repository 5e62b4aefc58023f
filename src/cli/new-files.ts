import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

export interface NewFile {
  /** Absolute. */
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly mode: number;
}

/** The paths that are taken already. */
export function existing(files: readonly NewFile[]): string[] {
  return files.filter((file) => existsSync(file.path)).map((file) => file.path);
}

/** Writes files with their directories. One that exists in the meantime is an error, never overwritten. */
export function writeNew(files: readonly NewFile[]): void {
  for (const file of files) {
    mkdirSync(path.dirname(file.path), { recursive: true });
    writeFileSync(file.path, file.content, { flag: "wx", mode: file.mode });
  }
}

/** Puts a file in the place of one that is there, in one step. */
export function replaceFile(file: NewFile): void {
  const draft = `${file.path}.${process.pid}`;
  writeFileSync(draft, file.content, { flag: "wx", mode: file.mode });
  renameSync(draft, file.path);
}
