import { refused } from "./refusal.ts";

/** Entries of one pack, which must be apart on every file system. */
export interface Names {
  /**
   * The path of an entry relative to the pack, or null for the pack itself. Throws SOURCE_REFUSED for a name that leads out of
   * the pack, that a terminal or another file system reads differently, or that an earlier entry has.
   */
  claim(name: string, kind: "file" | "directory"): string | null;
}

const longestPath = 1_024;
const longestName = 255;
/** Control and format characters (they hide or reorder text), and what stands for bytes that are no UTF-8. */
const unreadable = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\uFFFD]/u;

export function createNames(): Names {
  const taken = new Map<string, { readonly path: string; readonly kind: "file" | "directory" }>();

  function take(path: string, kind: "file" | "directory", isParent: boolean): void {
    const key = path.normalize("NFC").toUpperCase().toLowerCase();
    const before = taken.get(key);
    if (!before) {
      taken.set(key, { path, kind });
      return;
    }
    if (before.path !== path)
      throw refused(`${shown(path)} and ${shown(before.path)} are one name on some file systems`, "rename one of them");
    // Directories are often listed again, and always meant by what lies in them.
    if (before.kind === "directory" && kind === "directory") return;
    throw refused(isParent ? `${shown(path)} is both a file and a directory` : `${shown(path)} is in it twice`);
  }

  return {
    claim(name, kind) {
      const path = relativePath(name);
      if (path === null) return null;
      for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1))
        take(path.slice(0, slash), "directory", true);
      take(path, kind, false);
      return path;
    },
  };
}

function relativePath(name: string): string | null {
  if (unreadable.test(name)) throw refused(`the name ${shown(name)} has characters that can't be shown`);
  if (name.includes("\\")) throw refused(`the name ${shown(name)} has a backslash`);
  if (name.startsWith("/") || /^[a-z]:/i.test(name)) throw refused(`the name ${shown(name)} is absolute`);
  if (Buffer.byteLength(name) > longestPath) throw refused(`the name ${shown(name)} is longer than ${longestPath} bytes`);
  const parts = name.replace(/\/$/, "").split("/");
  if (parts[0] === ".") parts.shift();
  if (parts.length === 0) return null;
  for (const part of parts) {
    if (part === "..") throw refused(`the name ${shown(name)} leads out of the pack`);
    if (part === "" || part === ".") throw refused(`the name ${shown(name)} has an empty part`);
    if (Buffer.byteLength(part) > longestName)
      throw refused(`the name ${shown(name)} has a part longer than ${longestName} bytes`);
  }
  return parts.join("/");
}

function shown(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
