import { lstatSync, realpathSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, sep } from "node:path";
import { AttuneError, toError } from "./errors.ts";

const PACK_REF = /^[a-z][a-z0-9_-]{0,63}$/;
const COMPONENT_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/;

/** Whether `ref` can name a pack: lower case letters, digits, `_` and `-`, a letter first, at most 64 characters. */
export function isPackRef(ref: string): boolean {
  return PACK_REF.test(ref);
}

/** Whether `ref` has exactly the two parts `pack.name`. */
export function isComponentRef(ref: string): boolean {
  const dot = ref.indexOf(".");
  return dot > 0 && isPackRef(ref.slice(0, dot)) && COMPONENT_NAME.test(ref.slice(dot + 1));
}

/** A ref without a dot belongs to the pack it is written in. */
export function qualify(ref: string, pack: string): string {
  return ref.includes(".") ? ref : `${pack}.${ref}`;
}

/**
 * Absolute path, with every link followed, of what `relative` names below the directory `root`.
 *
 * Throws PATH_OUTSIDE for an absolute path, a `..`, a NUL or a link that leaves `root`, and NOT_FOUND when there is
 * nothing at that path. What comes back may be replaced afterwards by whoever can write in `root`.
 */
export async function resolveInside(root: string, relative: string): Promise<string> {
  refuseEscapes(relative);
  try {
    const realRoot = await realpath(root);
    return requireInside(realRoot, await realpath(join(realRoot, relative)), relative);
  } catch (error) {
    throw explain(error, relative);
  }
}

/** {@link resolveInside} for callers in which a turn of the event loop for each path would cost more than the look itself. */
export function resolveInsideSync(root: string, relative: string): string {
  return insideResolver(root)(relative);
}

/**
 * {@link resolveInsideSync} for many paths below one root. Each directory is resolved once and then remembered, so a resolver is
 * made for one pass over the files and not kept.
 */
export function insideResolver(root: string): (relative: string) => string {
  const directories = new Map<string, string>();
  let realRoot: string | undefined;
  return (relative) => {
    refuseEscapes(relative);
    try {
      realRoot ??= realpathSync(root);
      const parent = dirname(relative);
      const directory = directories.get(parent) ?? requireInside(realRoot, realpathSync(join(realRoot, parent)), relative);
      directories.set(parent, directory);
      const path = join(directory, basename(relative));
      return lstatSync(path).isSymbolicLink() ? requireInside(realRoot, realpathSync(path), relative) : path;
    } catch (error) {
      throw explain(error, relative);
    }
  };
}

function refuseEscapes(relative: string): void {
  if (relative.includes("\0")) throw outside(relative, "it holds a NUL character");
  if (isAbsolute(relative)) throw outside(relative, "it is absolute");
  if (relative.split(/[/\\]/).includes("..")) throw outside(relative, 'it contains ".."');
}

function requireInside(realRoot: string, target: string, relative: string): string {
  const prefix = realRoot.endsWith(sep) ? realRoot : realRoot + sep;
  if (target === realRoot || target.startsWith(prefix)) return target;
  throw outside(relative, "it is a link to a place outside");
}

function outside(relative: string, why: string): AttuneError {
  return new AttuneError("PATH_OUTSIDE", `${JSON.stringify(relative)} is refused: ${why}`, {
    hint: "use a path relative to the directory, without .. and without links that leave it",
  });
}

function explain(thrown: unknown, relative: string): Error {
  if (thrown instanceof AttuneError) return thrown;
  const error: NodeJS.ErrnoException = toError(thrown);
  if (error.code === "ENOENT" || error.code === "ENOTDIR") {
    return new AttuneError("NOT_FOUND", `there is no ${JSON.stringify(relative)}`, { cause: thrown });
  }
  return new AttuneError("PATH_OUTSIDE", `${JSON.stringify(relative)} can't be resolved: ${error.message}`, { cause: thrown });
}
