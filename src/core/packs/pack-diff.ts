import { lstatSync, readFileSync } from "node:fs";
import path from "node:path";
import { createTwoFilesPatch } from "diff";
import { differingFiles, type FileDifference, packFiles } from "./pack-files.ts";

export interface FileDiff extends FileDifference {
  /** As `diff -u` writes it; null for a link, a change of mode alone, binary content, and what is too large. */
  readonly patch: string | null;
}

/** Bytes of a file, and of all patches together. */
const largestText = 256 * 1024;
const largestAnswer = 4 * 1024 * 1024;
/** Milliseconds for one file: two versions without a line in common are slow to compare. */
const longest = 500;

/** How the pack in `after` differs from the one in `before`. */
export function diffPacks(before: string, after: string): readonly FileDiff[] {
  let left = largestAnswer;
  return differingFiles(packFiles(before), packFiles(after)).map((one) => {
    const [old, next] = [textOf(path.join(before, one.path)), textOf(path.join(after, one.path))];
    if (old === null || next === null || left <= 0) return { ...one, patch: null };
    const names = [
      one.change === "added" ? "/dev/null" : `a/${one.path}`,
      one.change === "removed" ? "/dev/null" : `b/${one.path}`,
    ];
    const patch =
      createTwoFilesPatch(names[0] ?? "", names[1] ?? "", old, next, undefined, undefined, { timeout: longest }) ?? null;
    left -= patch?.length ?? 0;
    return { ...one, patch: old === next || left < 0 ? null : patch };
  });
}

/** Empty for what is not there, null for what is no text. */
function textOf(file: string): string | null {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat) return "";
  if (!stat.isFile() || stat.size > largestText) return null;
  const bytes = readFileSync(file);
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null; // Not UTF-8, so no text.
  }
}
