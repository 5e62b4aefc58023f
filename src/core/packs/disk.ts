import { existsSync } from "node:fs";
import path from "node:path";
import { describeError } from "../errors.ts";
import type { Logger } from "../plugin.ts";
import type { Runtime } from "../registry.ts";
import { runtimeNames, withDeclared } from "../runtimes.ts";
import type { CheckRule } from "./components.ts";
import { findPacks } from "./find.ts";
import { type RuntimeNames, runtimeNamesOf } from "./runner.ts";
import { type ScannedPack, scanPack } from "./scan.ts";
import type { Snapshot, Snapshots } from "./snapshots.ts";

export interface DiskOptions {
  readonly directories: readonly string[];
  /** Where the built-in core pack lies; a pack `core` in one of the directories replaces it. */
  readonly corePack: string;
  /** Refs to load; null: all. The core pack is always loaded. */
  readonly autoLoad: readonly string[] | null;
  /** Of plugins; packs may bring further ones. */
  readonly runtimes: readonly Runtime[];
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
  let runtimes = options.runtimes;
  let declared = "";

  const isWanted = (ref: string) => ref === "core" || options.autoLoad === null || options.autoLoad.includes(ref);

  const namesNow = () =>
    runtimeNamesOf({
      runtimes: new Map(runtimes.map((runtime) => [runtime.ref, runtime])),
      runtimeNames: runtimeNames(runtimes),
    });

  async function scanAll(dirs: readonly string[]): Promise<void> {
    const names = namesNow();
    for (const dir of dirs) {
      const previous = scans.get(dir);
      const scanned = await scanPack(dir, { runtimeNames: names, checkRule: options.checkRule, ...(previous && { previous }) });
      if (scanned.manifest !== null || existsSync(path.join(dir, "pack.yaml"))) scans.set(dir, scanned);
      else scans.delete(dir);
    }
  }

  async function scanWithRuntimes(dirs: readonly string[]): Promise<readonly string[]> {
    // A pack may use a runtime that another one brings, so those that bring some are read first.
    const brings = (dir: string) => existsSync(path.join(dir, "runtimes")) || (scans.get(dir)?.runtimes.size ?? 0) > 0;
    await scanAll(dirs.filter(brings));
    const definitions = [...scans.values()].filter((scan) => isWanted(scan.ref)).flatMap((scan) => [...scan.runtimes.values()]);
    const key = definitions.map(({ ref, hash }) => `${ref} ${hash}`).join("\n");
    if (key === declared) {
      await scanAll(dirs.filter((dir) => !brings(dir)));
      return dirs;
    }
    declared = key;
    runtimes = withDeclared(options.runtimes, definitions);
    const all = [...new Set([...dirs, ...scans.keys()])];
    await scanAll(all);
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
