import { existsSync } from "node:fs";
import path from "node:path";
import { describeError } from "../../errors.ts";
import type { Logger } from "../../plugin.ts";
import type { LoadedPack, Runtime, RuntimeDefinition } from "../../registry.ts";
import type { NamedRuntime, RuntimeSet } from "../../runtimes/set.ts";
import { findPacks } from "../find.ts";
import type { CheckRule } from "../kinds/components.ts";
import { type RuntimeNames, runtimeNamesOf } from "../runner.ts";
import { type ScannedPack, scanPack } from "../scan.ts";
import type { Snapshot, Snapshots } from "../snapshots/snapshots.ts";
import { merged } from "./diff.ts";

export interface DiskOptions {
  readonly directories: readonly string[];
  /** Where the built-in core pack lies; a pack `core` in one of the directories replaces it. */
  readonly corePack: string;
  /** Refs to load; null: all. The core pack is always loaded. */
  readonly autoLoad: readonly string[] | null;
  /** Of plugins; packs may bring further ones. */
  readonly runtimes: readonly Runtime[];
  readonly runtimeSet: RuntimeSet;
  readonly checkRule: CheckRule;
  readonly snapshots: Snapshots;
  readonly log: Logger;
}

/** The packs as they lie on disk, as far as they were looked at. */
export interface Disk {
  /** By pack directory. */
  readonly scans: ReadonlyMap<string, ScannedPack>;
  /** The copies that scripts run from: while a pack is edited, what was made with the version before goes on with that. */
  readonly copies: ReadonlyMap<string, Snapshot>;
  /** Those of plugins and those the packs declare. */
  readonly runtimes: readonly Runtime[];
  /** How the packs name the runtimes now. */
  runtimeNames(): RuntimeNames;
  /** Those of plugins are these from now on. Gives whether packs may name runtimes otherwise than before. */
  useRuntimes(runtimes: readonly Runtime[]): Promise<boolean>;
  /** Goes on with what these packs declare where the files that did so are broken. Takes effect with the next look. */
  keepRuntimes(packs: ReadonlyMap<string, LoadedPack>): void;
  isWanted(ref: string): boolean;
  /** Every directory that holds a pack or held one. */
  everything(): Promise<readonly string[]>;
  /**
   * Looks at these directories, and at all others when what they say changes how those are to be read. Returns the
   * directories that were looked at; of those that hold no pack any more there is no scan.
   */
  look(dirs: Iterable<string>): Promise<readonly string[]>;
  /** Brings the copies of these directories to what lies there now. Never rejects. */
  copy(dirs: Iterable<string>): Promise<void>;
}

export function openDisk(options: DiskOptions): Disk {
  const { corePack, log } = options;
  const scans = new Map<string, ScannedPack>();
  const copies = new Map<string, Snapshot>();
  let ofPlugins = options.runtimes;
  let runtimes: readonly Runtime[] = [];
  let named: readonly NamedRuntime[] = ofPlugins;
  /** By pack directory; a broken file keeps the definition it held. */
  const definitions = new Map<string, ReadonlyMap<string, RuntimeDefinition>>();
  let declared: string | null = null;

  const isWanted = (ref: string) => ref === "core" || options.autoLoad === null || options.autoLoad.includes(ref);

  const namesNow = () => runtimeNamesOf(named);

  /** Their names are in force at once; the runtimes once they are verified. */
  function resolve(present: readonly RuntimeDefinition[]): Promise<void> {
    const resolved = options.runtimeSet.resolve(ofPlugins, present);
    named = resolved.named;
    return resolved.runtimes.then((verified) => {
      runtimes = verified;
    });
  }

  function definitionsNow(): readonly RuntimeDefinition[] {
    const wanted = [...scans].filter(([, scan]) => isWanted(scan.ref));
    return wanted.flatMap(([dir]) => [...(definitions.get(dir)?.values() ?? [])]);
  }

  async function scanAll(dirs: readonly string[]): Promise<void> {
    const names = namesNow();
    for (const dir of dirs) {
      const previous = scans.get(dir);
      const scanned = await scanPack(dir, { runtimeNames: names, checkRule: options.checkRule, ...(previous && { previous }) });
      if (scanned.manifest !== null || existsSync(path.join(dir, "pack.yaml"))) scans.set(dir, scanned);
      else scans.delete(dir);
      if (!scans.has(dir)) definitions.delete(dir);
      else definitions.set(dir, merged("runtime", definitions.get(dir), scanned.runtimes, scanned.broken, false));
    }
  }

  async function scanWithRuntimes(dirs: readonly string[]): Promise<readonly string[]> {
    // A pack may use a runtime that another one brings, so those that bring some are read first.
    const brings = (dir: string) => existsSync(path.join(dir, "runtimes")) || (scans.get(dir)?.runtimes.size ?? 0) > 0;
    await scanAll(dirs.filter(brings));
    const present = definitionsNow();
    const key = present.map(({ ref, hash }) => `${ref} ${hash}`).join("\n");
    if (key === declared) {
      await scanAll(dirs.filter((dir) => !brings(dir)));
      return dirs;
    }
    declared = key;
    // Verifying starts programs: the packs are read meanwhile.
    const resolved = resolve(present);
    const all = [...new Set([...dirs, ...scans.keys()])];
    await scanAll(all);
    await resolved;
    return all;
  }

  /** The built-in core pack serves while no directory has one, and is not looked at otherwise. */
  async function chooseCore(dirs: readonly string[]): Promise<readonly string[]> {
    if ([...scans].some(([dir, scan]) => dir !== corePack && scan.ref === "core")) {
      scans.delete(corePack);
      return dirs;
    }
    if (scans.has(corePack)) return dirs;
    await scanAll([corePack]);
    return [...dirs, corePack];
  }

  return {
    scans,
    copies,
    get runtimes() {
      return runtimes;
    },
    runtimeNames: namesNow,
    async useRuntimes(next) {
      const before = keyOf(namesNow());
      ofPlugins = next;
      await resolve(definitionsNow());
      return keyOf(namesNow()) !== before;
    },
    keepRuntimes(packs) {
      for (const [dir, { ref, runtimes: good, broken }] of scans)
        definitions.set(dir, merged("runtime", packs.get(ref)?.runtimes, good, broken, false));
    },
    isWanted,
    async everything() {
      const found = (await findPacks(options.directories)).map((pack) => pack.dir);
      return [...new Set([corePack, ...found, ...scans.keys()])];
    },
    async look(dirs) {
      return await chooseCore(await scanWithRuntimes([...dirs]));
    },
    async copy(dirs) {
      for (const dir of dirs) {
        try {
          if (scans.has(dir)) copies.set(dir, await options.snapshots.take(dir, copies.get(dir)));
          else copies.delete(dir);
        } catch (thrown) {
          copies.delete(dir);
          log.warn("no copy of the pack can be made; its scripts run where they lie", { dir, error: describeError(thrown) });
        }
      }
    },
  };
}

function keyOf({ words, extensions }: RuntimeNames): string {
  return JSON.stringify([[...words].sort(), [...extensions].sort()]);
}
