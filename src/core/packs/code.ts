import { dirname } from "node:path";
import type { FileStates } from "./files.ts";
import { importReader, type KnownImports, languageOf } from "./imports/imports.ts";
import { FOLDERS } from "./listing.ts";
import { hashTree } from "./tree.ts";

/** What the code of a component is made of, for its hash: the script and whatever else of the pack it may load. */
export interface CodeReader {
  /** `entry` is relative to the pack. Throws what reading it throws. */
  ofFile(entry: string, runtime: string): Promise<readonly string[]>;
  /** Of a shell script that stands in the definition. */
  ofText(text: string): Promise<readonly string[]>;
  /** For the next scan. */
  readonly known: KnownImports;
}

/**
 * For a language whose imports can be read, these are the files the script imports; when its text does not tell them all, also the
 * whole `lib/` and the script's directory. For any other it is the whole `lib/`, whose digest is `libHash`.
 */
export function codeReader(root: string, files: FileStates, libHash: string, previous: KnownImports): CodeReader {
  const imports = importReader(root, files, previous);
  const directories = new Map<string, Promise<string>>();

  function directoryHash(directory: string): Promise<string> {
    const known = directories.get(directory) ?? hashTree(root, directory, files, isCode).then(({ hash }) => hash);
    directories.set(directory, known);
    return known;
  }

  return {
    known: imports.known,
    async ofFile(entry, runtime) {
      const language = languageOf(runtime);
      if (!language) return [(await files.hashOf(entry)).hash, libHash];
      const closure = await imports.ofFile(entry, language);
      return closure.open ? [...closure.parts, "open", libHash, await directoryHash(dirname(entry))] : closure.parts;
    },
    async ofText(text) {
      const closure = await imports.ofText(text);
      return closure.open ? [...closure.parts, "open", libHash] : closure.parts;
    },
  };
}

const DEFINITION = new RegExp(`^(?:${Object.values(FOLDERS).join("|")})/[^/]+\\.ya?ml$`);

/** The definitions beside the scripts are components of their own. */
function isCode(relative: string): boolean {
  return !DEFINITION.test(relative);
}
