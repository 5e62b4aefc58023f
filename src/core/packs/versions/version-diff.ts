import { lstatSync, readFileSync } from "node:fs";
import path from "node:path";
import { createTwoFilesPatch } from "diff";
import { breather } from "../breather.ts";
import { differingFiles, type FileDifference, packFiles } from "./pack-files.ts";

export interface FileDiff extends FileDifference {
  /** As `diff -u` writes it; null for a link, a change of mode alone, binary content, and what is too large. */
  readonly patch: string | null;
}

/** Bytes of a file, and of all patches together. */
const largestText = 256 * 1024;
const largestAnswer = 4 * 1024 * 1024;
/**
 * Milliseconds: two versions of a file without a line in common are slow to compare, and nothing else is done while one is.
 */
const longest = { file: 40, altogether: 5_000 } as const;

/** How the pack in `after` differs from the one in `before`. */
export async function diffVersions(before: string, after: string): Promise<readonly FileDiff[]> {
  const breathe = breather();
  const began = performance.now();
  let left = largestAnswer;
  const differing = differingFiles(await packFiles(before), await packFiles(after));
  const diffs: FileDiff[] = [];
  for (const one of differing) {
    const isLate = performance.now() - began > longest.altogether;
    diffs.push(isLate || left <= 0 ? { ...one, patch: null } : compare(one));
    await breathe();
  }
  return diffs;

  function compare(one: FileDifference): FileDiff {
    const [old, next] = [textOf(path.join(before, one.path)), textOf(path.join(after, one.path))];
    if (old === null || next === null) return { ...one, patch: null };
    const names = [
      one.change === "added" ? "/dev/null" : `a/${one.path}`,
      one.change === "removed" ? "/dev/null" : `b/${one.path}`,
    ];
    const options = { timeout: longest.file };
    const patch = createTwoFilesPatch(names[0] ?? "", names[1] ?? "", old, next, undefined, undefined, options) ?? null;
    left -= patch?.length ?? 0;
    return { ...one, patch: old === next || left < 0 ? null : patch };
  }
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
