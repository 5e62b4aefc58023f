import { chmod, copyFile, lstat, mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { AttuneError, toError } from "./errors.ts";
import { resolveInside } from "./paths.ts";

const longestManifest = 16 * 1024 * 1024;
/** Files that a manifest and those it names may name altogether. */
const mostFiles = 200;

/** `-r base.txt`, `-c limits.txt`, `-e ./tool` in a line of its own. */
const options = /^[ \t]*(?:-r|-c|-e|--requirement|--constraint|--editable)[ \t=]+([^\s#;]+)/gm;
/** `./wheels/tool.whl` or `wheels/tool.whl` in a line of its own. */
const bare = /^[ \t]*((?:\.\/)?[\w.+-]+(?:\/[\w.+-]+)+|[\w.+-]+\.(?:whl|tar\.gz|zip))(?:\[[^\]]*\])?[ \t]*(?:[#;].*)?$/gm;
/** `file:vendor/tool.tgz`, `link:../tool`. */
const urls = /\b(?:file|link):(?:\.\/)?([^\s"'#;,]+)/g;
/** `path = "tool"` in a TOML table of sources. */
const paths = /\bpath[ \t]*=[ \t]*["']([^"'\n]+)["']/g;

/** The relative paths that a manifest of packages names. Pure; what is no path of the pack is found out by looking. */
export function pathsIn(manifest: string): string[] {
  const found = [options, bare, urls, paths].flatMap((pattern) => [...manifest.matchAll(pattern)].map((match) => match[1] ?? ""));
  const relative = found.filter((one) => !one.includes("://") && !path.isAbsolute(one)).map((one) => path.posix.normalize(one));
  return [...new Set(relative)].filter((one) => one !== "." && !one.startsWith(".."));
}

/**
 * The manifests, and the files and directories of the pack that they name, directly or through a file that they name: paths
 * relative to the pack, in a fixed order. Throws PACK_INVALID for a manifest that is too large, and PATH_OUTSIDE for one
 * that is a link out of the pack.
 */
export async function manifestFiles(packDir: string, manifests: readonly string[]): Promise<string[]> {
  const found = new Set(manifests);
  for (const name of found) {
    if (found.size > mostFiles) throw new AttuneError("PACK_INVALID", `${manifests[0]} names more than ${mostFiles} files`);
    const text = await textOf(packDir, name);
    if (text === null) continue;
    for (const named of pathsIn(text)) {
      const relative = path.posix.join(path.posix.dirname(name), named);
      const isThere = await resolveInside(packDir, relative).then(
        () => true,
        // Outside of the pack, or not there: the installer says so in its own words.
        () => false,
      );
      if (isThere) found.add(relative);
    }
  }
  return [...found].sort();
}

/** The text of a file in which paths may stand; null for directories and archives. */
async function textOf(packDir: string, name: string): Promise<string | null> {
  if (/\.(?:whl|tgz|gz|zip|bz2|xz)$/.test(name)) return null;
  const file = await resolveInside(packDir, name);
  const stats = await lstat(file);
  if (!stats.isFile()) return null;
  if (stats.size > longestManifest) throw new AttuneError("PACK_INVALID", `${name} has more than ${longestManifest} bytes`);
  return readFile(file, "utf8");
}

/**
 * Copies the manifests of a pack, and what they name of it, into `dir`, each to the path it has in the pack: for installers
 * that work in the directory of the manifest.
 */
export async function copyManifests(target: {
  readonly pack: { readonly dir: string };
  readonly manifests: readonly string[];
  readonly dir: string;
}): Promise<void> {
  for (const name of await manifestFiles(target.pack.dir, target.manifests)) {
    const from = await resolveInside(target.pack.dir, name);
    const to = path.join(target.dir, name);
    await mkdir(path.dirname(to), { recursive: true });
    await copyTree(from, to);
  }
}

/** The files and directories only, and writable: a copy of a pack is not. */
async function copyTree(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  if (stats.isDirectory()) {
    await mkdir(to, { recursive: true });
    for (const name of await readdir(from)) await copyTree(path.join(from, name), path.join(to, name));
  } else if (stats.isFile()) {
    await copyFile(from, to);
    await chmod(to, 0o644);
  }
}

/** Whether the pack's `package.json` names a package to install: many have one for other reasons. Throws PACK_INVALID. */
export async function asksForPackages(packDir: string): Promise<boolean> {
  let document: { dependencies?: object; optionalDependencies?: object } | null;
  try {
    document = JSON.parse(await readFile(await resolveInside(packDir, "package.json"), "utf8"));
  } catch (thrown) {
    throw new AttuneError("PACK_INVALID", `package.json can't be read: ${toError(thrown).message}`);
  }
  return Object.keys({ ...document?.dependencies, ...document?.optionalDependencies }).length > 0;
}
