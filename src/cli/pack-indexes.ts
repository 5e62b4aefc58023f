import path from "node:path";
import { AttuneError } from "../core/errors.ts";
import { type PackIndex, readIndex } from "../core/install/index-file.ts";
import type { Context } from "./context.ts";

/**
 * The indexes in force, the first with the last word: `--index`, else the one a pack was installed from, else ATTUNE_PACK_INDEX
 * (separated by commas). Throws USAGE when there is none.
 */
export async function readIndexes(shown: Context, given: readonly string[], installedFrom: string | null): Promise<PackIndex[]> {
  const { env, cwd, signal } = shown.io;
  const fromEnv = (env["ATTUNE_PACK_INDEX"] ?? "").split(",").map((place) => place.trim());
  const wanted = given.length > 0 ? given : installedFrom !== null ? [installedFrom] : fromEnv.filter((place) => place !== "");
  if (wanted.length === 0) {
    throw new AttuneError("USAGE", "no index of packs is known", {
      hint: "name one with --index or ATTUNE_PACK_INDEX; for a directory write ./NAME",
    });
  }
  return Promise.all(wanted.map((place) => readIndex(/^https?:/i.test(place) ? place : path.resolve(cwd, place), signal)));
}
