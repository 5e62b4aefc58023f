import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../core/errors.ts";

/** The pack at a path as it was given, or the packs in a directory that is none itself. */
export function packsAt(given: string, cwd: string): string[] {
  const dir = path.resolve(cwd, given);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new AttuneError("NOT_FOUND", `${dir} is not a directory`, {
      hint: "give the directory that holds pack.yaml, or one that holds packs",
    });
  }
  const isPack = (candidate: string) => existsSync(path.resolve(cwd, candidate, "pack.yaml"));
  const own = path.isAbsolute(given) ? dir : path.relative(cwd, dir) || ".";
  const inner = readdirSync(dir)
    .filter((name) => !name.startsWith("."))
    .sort()
    .map((name) => path.join(own, name));
  const packs = inner.filter(isPack);
  return isPack(own) || packs.length === 0 ? [own] : packs;
}
