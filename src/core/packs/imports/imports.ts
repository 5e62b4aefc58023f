import { readdirSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { AttuneError } from "../../errors.ts";
import { type FileStates, isMissing } from "../files.ts";
import { INSTALLED } from "../leftovers.ts";
import { javascriptImports } from "./javascript.ts";
import { pythonImports } from "./python.ts";
import { shellImports } from "./shell.ts";

/** What one script loads, as far as its text tells. */
export interface Imports {
  readonly wanted: readonly Wanted[];
  /** It also loads something under a name that only running it tells, or could not be read. */
  readonly open: boolean;
  /** Directories of the pack it makes Python search for modules. */
  readonly roots?: readonly string[];
}

/** Something a script loads. `path` has no ending for a module, may lack it for a script, and may climb with `..`. */
export interface Wanted {
  /**
   * What the path is relative to: the directory of the file that says it, of the entry point, of the pack (which processes start in), or
   * each in which Python looks for modules.
   */
  readonly from: "file" | "entry" | "pack" | "roots";
  readonly kind: "file" | "script" | "module";
  readonly path: string;
}

export type Language = "javascript" | "python" | "shell";

const LANGUAGES: ReadonlyMap<string, Language> = new Map([
  ["core.bun", "javascript"],
  ["core.nodejs", "javascript"],
  ["core.deno", "javascript"],
  ["core.python", "python"],
  ["core.shell", "shell"],
]);
const SCANNERS = { javascript: javascriptImports, python: pythonImports, shell: shellImports } as const;
const SCRIPT_ENDINGS = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json"];
/** What a file is by its ending, whatever loads it. One without an ending is taken for the language of who loads it. */
const ENDINGS: readonly (readonly [RegExp, Language])[] = [
  [/\.[mc]?[jt]sx?$/, "javascript"],
  [/\.py$/, "python"],
  [/\.(?:sh|bash)$/, "shell"],
];
/** Beyond these the rest counts as unknown. */
const MAX_FILES = 200;
const MAX_DEPTH = 50;

export function languageOf(runtime: string): Language | undefined {
  return LANGUAGES.get(runtime);
}

export interface Closure {
  /** Content hash of the script itself, then path and content hash of each of the others, sorted. */
  readonly parts: readonly string[];
  /** That may not be all of them. */
  readonly open: boolean;
}

/** What the scan before found in each script, by language and path. */
export type KnownImports = ReadonlyMap<string, Imports>;

export interface ImportReader {
  /** The script at `entry`, relative to the pack, and everything it loads from the pack, directly or not. Throws when it can't be read. */
  ofFile(entry: string, language: Language): Promise<Closure>;
  /** What a shell script loads that stands in its definition. */
  ofText(text: string): Promise<Closure>;
  readonly known: KnownImports;
}

/** Reads what scripts load, for one scan of the pack in `root`. Files that can't be read count as not there. */
export function importReader(root: string, files: FileStates, previous: KnownImports): ImportReader {
  const known = new Map<string, Imports>();
  const scripts = new Map<string, Promise<Script>>();
  const closures = new Map<string, Promise<Closure>>();
  const listings = new Map<string, ReadonlySet<string>>();
  const present = { file: new Map<string, Found>(), script: new Map<string, Found>(), module: new Map<string, Found>() };

  function examine(path: string, language: Language): Promise<Script> {
    const key = `${language} ${path}`;
    return remembered(scripts, key, async () => {
      const found = await files.examined(path, previous.get(key), (bytes) => scan(path, language, bytes));
      known.set(key, found.value);
      return { path, language, hash: found.state.hash, imports: found.value };
    });
  }

  /** null when it can't be read, so that nothing loads it either. */
  async function read(path: string, loader: Language): Promise<Script | null> {
    try {
      return await examine(path, languageOfFile(path) ?? loader);
    } catch (error) {
      if (error instanceof AttuneError || isMissing(error)) return null;
      throw error;
    }
  }

  async function walk(entry: Script): Promise<Closure> {
    if (entry.imports.wanted.length === 0) return { parts: [entry.hash], open: entry.imports.open };
    const found = new Map<string, string>();
    const roots = new Set([dirname(entry.path), "lib", "."]);
    let open = entry.imports.open;
    let layer = [entry];
    for (let depth = 0; layer.length > 0; depth++) {
      for (const added of layer.flatMap(({ imports }) => imports.roots ?? [])) roots.add(added);
      const next: Script[] = [];
      for (const [path, loader] of new Map(layer.flatMap((script) => wantedBy(script, entry, roots)))) {
        if (path === entry.path || found.has(path)) continue;
        if (found.size === MAX_FILES || depth === MAX_DEPTH) return { parts: partsOf(entry, found), open: true };
        const script = await read(path, loader);
        if (!script) continue;
        found.set(path, script.hash);
        open ||= script.imports.open;
        next.push(script);
      }
      layer = next;
    }
    return { parts: partsOf(entry, found), open };
  }

  /** Paths of the files it loads, with its own language for those that don't show theirs. */
  function wantedBy({ path: file, language, imports }: Script, entry: Script, roots: ReadonlySet<string>): [string, Language][] {
    const result: [string, Language][] = [];
    const folder = dirname(file);
    const bases = {
      file: [folder],
      entry: [dirname(entry.path)],
      pack: ["."],
      roots: roots.has(folder) ? roots : [folder, ...roots],
    };
    for (const { from, kind, path } of imports.wanted) {
      for (const base of bases[from]) for (const found of there(kind, base, path)) result.push([found, language]);
    }
    return result;
  }

  /** Candidates that exist. Most scripts of a pack load the same few things. */
  function there(kind: Wanted["kind"], base: string, path: string): readonly string[] {
    const memory: Found = present[kind].get(base) ?? new Map();
    present[kind].set(base, memory);
    const known = memory.get(path) ?? candidates(kind, base, path).filter(exists);
    memory.set(path, known);
    return known;
  }

  /** Asks the listing of the directory: one for all scripts that look there. */
  function exists(path: string): boolean {
    if (path.split("/").includes(INSTALLED)) return false;
    const folder = dirname(path);
    const names = listings.get(folder) ?? list(folder);
    listings.set(folder, names);
    return names.has(path.slice(path.lastIndexOf("/") + 1));
  }

  function list(folder: string): ReadonlySet<string> {
    try {
      return new Set(readdirSync(folder === "." ? root : files.resolve(folder)));
    } catch {
      // Missing, outside the pack or no directory: nothing from there counts.
      return new Set();
    }
  }

  return {
    known,
    ofFile: (entry, language) => remembered(closures, `${language} ${entry}`, async () => walk(await examine(entry, language))),
    ofText: (text) => walk({ path: "", language: "shell", hash: "", imports: shellImports(text) }),
  };
}

/** By path below one directory. */
type Found = Map<string, readonly string[]>;

interface Script {
  /** Relative to the pack; empty for one that stands in its definition. */
  readonly path: string;
  readonly language: Language;
  readonly hash: string;
  readonly imports: Imports;
}

function languageOfFile(path: string): Language | undefined {
  return ENDINGS.find(([ending]) => ending.test(path))?.[1];
}

function scan(path: string, language: Language, bytes: Uint8Array | null): Imports {
  if (bytes === null) return { wanted: [], open: true };
  return SCANNERS[language](new TextDecoder().decode(bytes), extname(path));
}

function candidates(kind: Wanted["kind"], base: string, path: string): string[] {
  if (kind === "file") return [join(base, path)];
  if (kind === "script") {
    const bare = join(base, path);
    // TypeScript's own way is to write the name of the JavaScript that would come of it.
    const source = bare.replace(/\.([mc]?)jsx?$/, ".$1ts");
    return [bare, source, ...SCRIPT_ENDINGS.flatMap((ending) => [bare + ending, `${bare}/index${ending}`])];
  }
  const parts = path.split("/");
  return parts.flatMap((part, index) => {
    if (part === "..") return [];
    const above = join(base, ...parts.slice(0, index + 1));
    return [`${above}.py`, `${above}/__init__.py`];
  });
}

function partsOf(entry: Script, found: ReadonlyMap<string, string>): string[] {
  return [entry.hash, ...[...found].sort(([a], [b]) => (a < b ? -1 : 1)).flat()];
}

function remembered<T>(memory: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = memory.get(key) ?? make();
  memory.set(key, made);
  return made;
}
