import { existsSync } from "node:fs";
import path from "node:path";
import { checkRule, compileRule } from "../events/compile.ts";
import { mergeScan } from "../packs/reload/diff.ts";
import { runtimeNamesOf } from "../packs/runner.ts";
import { type ScannedPack, scanPack } from "../packs/scan.ts";
import { emptyRegistry, type LoadedPack, packOf, type Registry, type RuleDefinition, type Runtime } from "../registry.ts";
import { buildRegistry, type RuleRow } from "../registry-build.ts";
import type { RuntimeSet } from "../runtimes/set.ts";

export interface OfflinePacks {
  /** Serves the packs that were asked for, those beside them that their rules and sensors name, and the core pack. */
  readonly registry: Registry;
  /** Those that were asked for, in their order. */
  readonly scans: readonly ScannedPack[];
}

/** What a daemon would serve of the packs in `dirs`, without one. Mistakes in the packs are in the scans. */
export async function loadPacks(
  dirs: readonly string[],
  options: {
    readonly corePack: string;
    /** Of plugins. */
    readonly runtimes: readonly Runtime[];
    readonly runtimeSet: RuntimeSet;
  },
): Promise<OfflinePacks> {
  const first = await scanAll([...dirs, options.corePack], options);
  const needed = neighbours(first.scans.slice(0, dirs.length), new Set(first.scans.map((scanned) => scanned.ref)));
  const all = needed.length === 0 ? first : await scanAll([...dirs, options.corePack, ...needed], options);

  const packs = new Map<string, LoadedPack>();
  for (const scanned of all.scans) {
    const pack = mergeScan(undefined, scanned);
    // The first of a ref counts: what was asked for, before what is built in.
    if (pack && !packs.has(pack.ref)) packs.set(pack.ref, pack);
  }
  const definitions = [...packs.values()].flatMap((pack) => [...pack.rules.values()]);
  const rules = definitions.map((definition, i) => ({ definition, row: rowOf(definition, i + 1) }));
  return {
    registry: buildRegistry(emptyRegistry, { packs, runtimes: await all.runtimes, rules }, compileRule),
    scans: all.scans.slice(0, dirs.length),
  };
}

/** Packs may use runtimes that others bring, so all are read once more with their names known. */
async function scanAll(dirs: readonly string[], { runtimes, runtimeSet }: Parameters<typeof loadPacks>[1]) {
  const first: ScannedPack[] = [];
  for (const dir of dirs) first.push(await scanPack(dir, { runtimeNames: runtimeNamesOf(runtimes), checkRule }));
  const resolved = runtimeSet.resolve(
    runtimes,
    first.flatMap((scanned) => [...scanned.runtimes.values()]),
  );
  const names = runtimeNamesOf(resolved.named);
  const scans: ScannedPack[] = [];
  for (const [i, dir] of dirs.entries())
    scans.push(await scanPack(dir, { runtimeNames: names, checkRule, ...(first[i] && { previous: first[i] }) }));
  return { scans, runtimes: resolved.runtimes };
}

/** Directories beside the packs that hold the packs they name. */
function neighbours(scans: readonly ScannedPack[], known: ReadonlySet<string>): string[] {
  const found = scans.flatMap((scanned) => {
    const rules = [...scanned.rules.values()].flatMap(({ trigger, action }) => [trigger, action]);
    const named = new Set([...rules, ...[...scanned.sensors.values()].flatMap(({ triggers }) => triggers)].map(packOf));
    return [...named]
      .filter((ref) => !known.has(ref))
      .map((ref) => path.join(path.dirname(scanned.dir), ref))
      .filter((dir) => existsSync(path.join(dir, "pack.yaml")));
  });
  return [...new Set(found)];
}

/** The row a rule would have in a database that has just seen it. */
function rowOf({ ref, enabled }: RuleDefinition, id: number): RuleRow {
  const now = new Date().toISOString();
  return { id, ref, source: "pack", enabled, override: null, armedAt: now, created: now, updated: now };
}
