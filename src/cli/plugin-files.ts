import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { existing, type NewFile, replaceFile, writeNew } from "./new-files.ts";

/** What an editor needs for a directory of plugins: `attune.d.ts` has all they import, so nothing has to be installed. */
const tsconfig = `{
  // For editors; attune itself does not read it.
  "compilerOptions": {
    "target": "ESNext",
    "module": "Preserve",
    "moduleResolution": "bundler",
    "lib": ["ESNext", "DOM"],
    "types": [],
    "strict": true,
    "noEmit": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true
  }
}
`;

/** The two files that let an editor check the plugins in `dir`. */
export function typingFiles(dir: string, types: string): { readonly tsconfig: NewFile; readonly types: NewFile } {
  return {
    tsconfig: { path: path.join(dir, "tsconfig.json"), content: tsconfig, mode: 0o644 },
    types: { path: path.join(dir, "attune.d.ts"), content: types, mode: 0o644 },
  };
}

export interface Written {
  readonly made: readonly string[];
  /** Were there already, and are as they were. */
  readonly kept: readonly string[];
  /** Were written by an older attune. */
  readonly refreshed: readonly string[];
}

/** Writes what is not there yet. `types` is replaced as well when an attune that was not newer wrote it. */
export function writeProject(files: readonly NewFile[], types: NewFile): Written {
  const kept = existing(files);
  writeNew(files.filter((file) => !kept.includes(file.path)));
  const made = files.map((file) => file.path).filter((file) => !kept.includes(file));
  if (!existsSync(types.path)) {
    writeNew([types]);
    return { made: [...made, types.path], kept, refreshed: [] };
  }
  const present = readFileSync(types.path, "utf8");
  if (!isOutdated(present, String(types.content))) return { made, kept: [...kept, types.path], refreshed: [] };
  replaceFile(types);
  return { made, kept, refreshed: [types.path] };
}

/** The same with paths as somebody in `cwd` writes them. */
export function seenFrom(cwd: string, { made, kept, refreshed }: Written): Written {
  const relative = (file: string) => path.relative(cwd, file);
  return { made: made.map(relative), kept: kept.map(relative), refreshed: refreshed.map(relative) };
}

/** A file that somebody else wrote under that name never is. */
function isOutdated(present: string, current: string): boolean {
  const heading = /^\/\/ Types of attune (\d+\.\d+\.\d+\S*)\. /;
  const [theirs, ours] = [present, current].map((text) => heading.exec(text)?.[1]);
  return present !== current && theirs !== undefined && ours !== undefined && Bun.semver.order(theirs, ours) <= 0;
}
