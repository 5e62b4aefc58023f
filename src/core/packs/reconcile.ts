import { AttuneError, describeError, toError } from "../errors.ts";
import type { Logger, Problem, Storage } from "../plugin.ts";
import {
  allActions,
  allTriggers,
  emptyRegistry,
  findAction,
  findTrigger,
  type LoadedPack,
  type Registry,
  type RuleDefinition,
  type Runtime,
} from "../registry.ts";
import { buildRegistry, type CompileRule, type RuleRow, suggestion } from "../registry-build.ts";
import { runtimeFromDefinition } from "../runtimes.ts";
import type { CheckRule } from "./components.ts";
import { diffPack, mergeScan } from "./diff.ts";
import { mistake } from "./problems.ts";
import { runtimeNamesOf } from "./runner.ts";
import { findPacks } from "./find.ts";
import { type ScannedPack, scanPack } from "./scan.ts";
import { readRules, retirePack, storePack, storeRuntimes } from "./store.ts";

export interface ReconcilerOptions {
  readonly storage: Storage;
  readonly directories: readonly string[];
  /** Where the built-in core pack lies; a pack `core` in one of the directories replaces it. */
  readonly corePack: string;
  /** Refs to load; null: all. */
  readonly autoLoad: readonly string[] | null;
  /** Of plugins; packs may bring further ones. */
  readonly runtimes: readonly Runtime[];
  readonly compile: CompileRule;
  readonly checkRule: CheckRule;
  /** Called after each new registry is in force, with what changed. */
  readonly published: (registry: Registry, reports: readonly ReloadReport[]) => void;
  readonly log: Logger;
}

export interface ReloadReport {
  readonly pack: string;
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly problems: readonly Problem[];
  /** Milliseconds from the start of the reload to the new registry. */
  readonly ms: number;
}

export interface Reconciler {
  readonly registry: Registry;
  /** Packs on disk of which no version could be served yet. */
  readonly broken: ReadonlyMap<string, readonly Problem[]>;
  /** Brings everything to the state of the disk. `only`: the pack of that ref; NOT_FOUND when there is none. */
  reload(only?: string): Promise<readonly ReloadReport[]>;
  /** The packs in these directories changed, appeared or vanished. */
  reloadDirectories(dirs: ReadonlySet<string>): Promise<readonly ReloadReport[]>;
  /** Runs a change of rules in the database and serves the rules as they are after it. */
  changeRules(change: () => Promise<void>): Promise<void>;
}

/**
 * Keeps the registry equal to the packs on disk and the rules in the database. One change at a time: each is read,
 * compared by content hash, written in one transaction per pack and only then published, as a whole new registry.
 */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { storage, log } = options;
  const scans = new Map<string, ScannedPack>();
  const broken = new Map<string, readonly Problem[]>();
  const compiled = new WeakMap<RuleDefinition, ReturnType<CompileRule>>();
  let registry: Registry = emptyRegistry;
  let tail: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  }

  const compile: CompileRule = (definition) => {
    const known = compiled.get(definition) ?? options.compile(definition);
    compiled.set(definition, known);
    return known;
  };

  async function reload(isDirty: (pack: { ref: string; dir: string }) => boolean): Promise<readonly ReloadReport[]> {
    const began = performance.now();
    const found = await packsOnDisk();
    const present = new Set(found.map((pack) => pack.dir));
    for (const dir of scans.keys()) if (!present.has(dir)) scans.delete(dir);

    const dirty = found.filter((pack) => !scans.has(pack.dir) || isDirty(pack));
    await scanAll(dirty, runtimesOf([...registry.packs.values()]));
    // A pack may use a runtime that another one brings, whichever was read first.
    const runtimes = runtimesOf([...scans.values()]);
    if (runtimes.length !== registry.runtimes.size) await scanAll(found, runtimes);

    const { packs, problems, changes } = compare(found, dirty);
    const touched = changes.filter(isTouched);
    if (touched.length > 0 || registry.generation === 0) {
      const rows = await write(packs, touched, runtimes);
      registry = buildRegistry(registry, { packs, runtimes, rules: rulesOf(packs, rows) }, compile);
    }
    registry = { ...registry, packs: withProblems(registry, problems) };
    const ms = Math.round((performance.now() - began) * 10) / 10;
    const reports = changes.map((change): ReloadReport => {
      const pack = registry.packs.get(change.pack);
      return { ...change, problems: pack?.problems ?? broken.get(change.pack) ?? [], ms };
    });
    options.published(registry, reports);
    return reports;
  }

  async function packsOnDisk(): Promise<Array<{ ref: string; dir: string }>> {
    const found = await findPacks(options.directories);
    const all = found.some((pack) => pack.ref === "core") ? found : [{ ref: "core", dir: options.corePack }, ...found];
    return all.filter((pack) => pack.ref === "core" || options.autoLoad === null || options.autoLoad.includes(pack.ref));
  }

  function runtimesOf(packs: readonly Pick<LoadedPack, "runtimes">[]): readonly Runtime[] {
    const declared = packs.flatMap((pack) => [...pack.runtimes.values()]).map(runtimeFromDefinition);
    return [...options.runtimes, ...declared];
  }

  async function scanAll(packs: readonly { dir: string }[], runtimes: readonly Runtime[]): Promise<void> {
    const { runtimes: byRef, runtimeNames } = buildRegistry(emptyRegistry, { packs: new Map(), runtimes, rules: [] }, compile);
    const names = runtimeNamesOf({ runtimes: byRef, runtimeNames });
    for (const { dir } of packs) {
      const previous = scans.get(dir);
      scans.set(
        dir,
        await scanPack(dir, { runtimeNames: names, checkRule: options.checkRule, ...(previous ? { previous } : {}) }),
      );
    }
  }

  /** What each pack becomes: its good components as they are now, its broken ones as they last worked. */
  function compare(found: readonly { ref: string; dir: string }[], dirty: readonly { dir: string }[]) {
    const packs = new Map<string, LoadedPack>();
    const problems = new Map<string, readonly Problem[]>();
    const changes: Array<Pick<ReloadReport, "pack" | "added" | "changed" | "removed">> = [];
    broken.clear();
    for (const { dir } of found) {
      const scanned = scans.get(dir);
      if (!scanned) continue;
      const live = registry.packs.get(scanned.ref);
      const other = packs.get(scanned.ref);
      if (other) {
        broken.set(`${scanned.ref} (${dir})`, [
          mistake("pack.yaml", null, `the ref ${scanned.ref} is taken by ${other.dir}`, "give this pack another ref"),
        ]);
        continue;
      }
      const next = mergeScan(live, scanned);
      if (!next) {
        broken.set(scanned.ref, scanned.problems);
        if (dirty.some((pack) => pack.dir === dir)) changes.push({ pack: scanned.ref, added: [], changed: [], removed: [] });
        continue;
      }
      packs.set(next.ref, next);
      problems.set(next.ref, scanned.problems);
      const change = diffPack(live, next);
      if (isTouched(change) || dirty.some((pack) => pack.dir === dir)) changes.push(change);
    }
    for (const [ref, live] of registry.packs) {
      if (packs.has(ref)) continue;
      changes.push({
        pack: ref,
        added: [],
        changed: [],
        removed: [...live.actions.keys(), ...live.triggers.keys(), ...live.sensors.keys(), ...live.rules.keys()],
      });
    }
    return { packs, problems, changes };
  }

  async function write(
    packs: ReadonlyMap<string, LoadedPack>,
    changes: readonly { pack: string }[],
    runtimes: readonly Runtime[],
  ): Promise<readonly StoredRule[]> {
    return storage.transaction(async (tx) => {
      if (registry.generation === 0 || runtimes.length !== registry.runtimes.size) await storeRuntimes(tx, runtimes);
      for (const { pack: ref } of changes) {
        const pack = packs.get(ref);
        if (pack) await storePack(tx, pack);
        else if (!broken.has(ref)) await retirePack(tx, ref);
      }
      return readRules(tx);
    });
  }

  /** Problems that only show when all packs are there: what a rule or a sensor names may be in another one. */
  function withProblems(next: Registry, problems: ReadonlyMap<string, readonly Problem[]>): ReadonlyMap<string, LoadedPack> {
    const placeOf = new Map([...scans.values()].map((scan) => [scan.ref, scan.placeOf]));
    const packs = new Map<string, LoadedPack>();
    for (const [ref, pack] of next.packs) {
      const at = (file: string, field: string) => placeOf.get(ref)?.(file, field) ?? null;
      const found = [...(problems.get(ref) ?? [])];
      for (const rule of pack.rules.values()) {
        if (!findTrigger(next, rule.trigger)) {
          const hint =
            suggestion(
              rule.trigger,
              [...allTriggers(next)].map((trigger) => trigger.ref),
            ) ?? "attune trigger list shows them all";
          found.push(mistake(rule.file, at(rule.file, "trigger_ref"), `there is no trigger ${rule.trigger}`, hint));
        }
        if (!findAction(next, rule.action)) {
          const hint =
            suggestion(
              rule.action,
              [...allActions(next)].map((action) => action.ref),
            ) ?? "attune action list shows them all";
          found.push(mistake(rule.file, at(rule.file, "action_ref"), `there is no action ${rule.action}`, hint));
        }
      }
      for (const sensor of pack.sensors.values()) {
        for (const trigger of sensor.triggers) {
          if (findTrigger(next, trigger)) continue;
          const hint =
            suggestion(
              trigger,
              [...allTriggers(next)].map((known) => known.ref),
            ) ?? null;
          found.push(mistake(sensor.file, at(sensor.file, "trigger_types"), `there is no trigger ${trigger}`, hint));
        }
      }
      packs.set(ref, { ...pack, problems: found });
    }
    return packs;
  }

  async function retried<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        const error = toError(thrown);
        if (!(error instanceof AttuneError && error.retryable)) throw error;
        log.warn(`cannot ${what} now; trying again`, { error: describeError(error) });
        await Bun.sleep(1_000);
      }
    }
  }

  return {
    get registry() {
      return registry;
    },
    broken,
    reload: (only) =>
      inTurn(async () => {
        const reports = await reload((pack) => only === undefined || pack.ref === only);
        if (only !== undefined && !registry.packs.has(only) && !broken.has(only)) {
          throw new AttuneError("NOT_FOUND", `there is no pack ${only}`, { hint: suggestion(only, registry.packs.keys()) });
        }
        return reports;
      }),
    reloadDirectories: (dirs) => inTurn(() => retried("reload packs", () => reload((pack) => dirs.has(pack.dir)))),
    changeRules: (change) =>
      inTurn(async () => {
        await change();
        const rows = await readRules(storage);
        const parts = { packs: registry.packs, runtimes: registry.runtimes.values(), rules: rulesOf(registry.packs, rows) };
        registry = buildRegistry(registry, parts, compile);
        options.published(registry, []);
      }),
  };
}

function isTouched(change: Pick<ReloadReport, "added" | "changed" | "removed">): boolean {
  return change.added.length + change.changed.length + change.removed.length > 0;
}

interface StoredRule extends RuleRow {
  readonly definition: RuleDefinition | null;
}

/** Each row with its definition: a pack's rule has it in its file, an API rule in the row itself. */
function* rulesOf(packs: ReadonlyMap<string, LoadedPack>, rows: readonly StoredRule[]) {
  for (const row of rows) {
    const definition = row.definition ?? packs.get(row.ref.slice(0, row.ref.indexOf(".")))?.rules.get(row.ref);
    if (definition) yield { definition, row };
  }
}
