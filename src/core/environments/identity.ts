import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { manifestFiles } from "../manifest-files.ts";
import { resolveInside } from "../paths.ts";
import type { EnvironmentSettings, Interpreter } from "../plugin.ts";
import type { Runtime } from "../registry.ts";

/** A pack that has components of a runtime, on one of its interpreters. */
export interface EnvironmentPlace {
  readonly pack: string;
  /** Where its files lie. */
  readonly packDir: string;
  readonly runtime: Runtime;
  readonly interpreter: Interpreter;
}

/** What an environment is made of. */
export interface Identity {
  /** Equal for two that would get the same content. */
  readonly hash: string;
  readonly manifests: readonly string[];
}

/** Part of every hash: another number has all environments made anew. */
const format = "1";

/** The manifests of the recipe that the pack has; null when it needs no environment. */
export function manifestsOf({ runtime, packDir }: EnvironmentPlace): readonly string[] | null {
  const recipe = runtime.environment;
  if (!recipe) return null;
  const here = recipe.manifests.filter((name) => existsSync(path.join(packDir, name)));
  return here.length === 0 && recipe.manifests.length > 0 ? null : here;
}

/**
 * Reads what decides the content of an environment: the manifests and the files they name, the interpreter, the recipe and
 * the settings. Throws when a manifest can't be read or leaves the pack.
 */
export async function identify(
  place: EnvironmentPlace,
  manifests: readonly string[],
  settings: EnvironmentSettings,
): Promise<Identity> {
  const hash = createHash("sha256");
  const add = (...parts: (string | Buffer)[]) => {
    for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  };
  const { runtime, interpreter, packDir } = place;
  // Who installs makes no difference to what is installed.
  const { installer: _, ...sources } = settings;
  add(format, runtime.ref, runtime.revision, interpreter.path ?? "", interpreter.version ?? "", JSON.stringify(sources));
  for (const name of await manifestFiles(packDir, manifests)) {
    for (const file of await filesAt(packDir, name)) add(file, await readFile(await resolveInside(packDir, file)));
  }
  return { hash: hash.digest("hex").slice(0, 24), manifests };
}

/** The file itself, or the files below a directory. */
async function filesAt(packDir: string, name: string): Promise<string[]> {
  const entries = await readdir(await resolveInside(packDir, name), { withFileTypes: true, recursive: true }).catch(() => null);
  // Not a directory.
  if (!entries) return [name];
  const root = await resolveInside(packDir, name);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(name, path.relative(root, path.join(entry.parentPath, entry.name))))
    .sort();
}
