import { readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileStates, isMissing } from "./files.ts";
import { readManifest } from "./kinds/manifest.ts";
import { MAX_YAML_BYTES } from "./yaml/document.ts";

export interface FoundPack {
  /** What its pack.yaml states, else the directory's name. Two packs may claim one ref. */
  readonly ref: string;
  /** Absolute, links not followed: what to watch and to give to `scanPack`. */
  readonly dir: string;
}

/**
 * The packs in `directories`, in that order and by name within each: every subdirectory, or link to one, with a pack.yaml. A
 * directory that does not exist holds none. Rejects when one exists and can't be listed.
 */
export async function findPacks(directories: readonly string[]): Promise<FoundPack[]> {
  const distinct = new Set(directories.map((directory) => resolve(directory)));
  return [...distinct].flatMap(subdirectories).flatMap((dir) => {
    const ref = statedRef(dir);
    return ref === null ? [] : [{ ref, dir }];
  });
}

function subdirectories(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => !name.startsWith("."));
    return names.sort().map((name) => join(directory, name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** A line that needs no YAML parser: this runs for every pack at every reload. */
const PLAIN_REF = /^ref:[ \t]+(["']?)([a-z][a-z0-9_-]{0,63})\1[ \t]*(?:#.*)?\r?$/m;

/** null when the directory holds no pack. */
function statedRef(dir: string): string | null {
  const name = basename(dir);
  try {
    return fileStates(dir, new Map()).parsed("pack.yaml", MAX_YAML_BYTES, undefined, (bytes) => {
      const plain = PLAIN_REF.exec(new TextDecoder().decode(bytes))?.[2];
      return plain ?? readManifest(bytes, name).manifest?.ref ?? name;
    });
  } catch (error) {
    // A pack.yaml that is there but can't be read still makes a pack: its scan reports why.
    return isMissing(error) ? null : name;
  }
}
