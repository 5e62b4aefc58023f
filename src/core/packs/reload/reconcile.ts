import { AttuneError, describeError, toError } from "../../errors.ts";
import type { Problem, Scope, Storage } from "../../plugin.ts";
import { emptyRegistry, type LoadedPack, type Registry, type RuleDefinition, type Runtime } from "../../registry.ts";
import { buildRegistry, type CompileRule, suggestion } from "../../registry-build.ts";
import { problemsAcross } from "../across.ts";
import { inOrder } from "../dependencies.ts";
import { type DiskOptions, openDisk } from "./disk.ts";
import { type ReloadReport, reportOf } from "./history.ts";
import { lastGoodPacks } from "./last-good.ts";
import { withoutNews } from "./plan.ts";
import { readRules, rulesOf, type StoredRule } from "./rule-store.ts";
import { attachCopies, concernsRules, type Draft, decide, draftOf, packsToJudge, type Served, type Step } from "./step.ts";
import { retirePack, storePack, storeRuntimes } from "./store.ts";

export interface ReconcilerOptions extends DiskOptions {
  readonly storage: Storage;
  readonly scope: Scope;
  readonly compile: CompileRule;
  /** Called after each new registry is in force, with what changed. */
  readonly published: (registry: Registry, reports: readonly ReloadReport[]) => void;
}

/** When the files of a pack directory changed, by `performance.now()`. */
export interface DirectoryChange {
  readonly first: number;
  readonly last: number;
}

export interface Reconciler {
  readonly registry: Registry;
  /** Packs on disk of which no version could be served yet. */
  readonly broken: ReadonlyMap<string, readonly Problem[]>;
  /** Brings everything to the state of the disk. `only`: the pack of that ref; NOT_FOUND when there is none. */
  reload(only?: string): Promise<readonly ReloadReport[]>;
  /** The packs in these directories changed, appeared or vanished. */
  reloadDirectories(changes: ReadonlyMap<string, DirectoryChange>): Promise<readonly ReloadReport[]>;
  /** The runtimes of plugins are these from now on; what uses one that came, changed or went follows. */
  useRuntimes(runtimes: readonly Runtime[]): Promise<void>;
  /**
   * Lets `write` change the files of a served pack, given its directory, while nothing is reloaded, and serves the outcome.
   * Throws NOT_FOUND for a pack that is not served and CONFLICT for the built-in core pack.
   */
  rewrite(ref: string, write: (dir: string) => Promise<void>): Promise<readonly ReloadReport[]>;
  /** Runs a change of rules in the database and serves the rules as they are after it. */
  changeRules(change: () => Promise<void>): Promise<void>;
}

/** Milliseconds without a change after which bad news about a pack is believed. */
export const settlingTime = 400;
const retryAfter = 1_000;

/**
 * Keeps the registry equal to the packs on disk and the rules in the database. One change at a time: each is read,
 * compared by content hash, written in one transaction and only then published, as a whole new registry. The work follows
 * what changed: only dirty packs are read, only changed components written.
 */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { storage, log } = options;
  const disk = openDisk(options);
  /** Looked at, but not in force yet: writing it failed. */
  const unapplied = new Set<string>();
  const compiled = new WeakMap<RuleDefinition, ReturnType<CompileRule>>();
  let served: Served = { packs: new Map(), owners: new Map(), problems: new Map(), broken: new Map() };
  let rules: ReadonlyMap<string, StoredRule> = new Map();
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

  /** `runtimesChanged`: serves those that the disk has now, also when nothing else is new. */
  async function reload(
    dirty: ReadonlyMap<string, DirectoryChange | null>,
    runtimesChanged = false,
  ): Promise<readonly ReloadReport[]> {
    const began = performance.now();
    for (const dir of await disk.look(dirty.keys())) unapplied.add(dir);
    const dirs = new Set(unapplied);
    const parsed = performance.now();

    const isFirst = registry.generation === 0;
    if (isFirst) {
      served = { ...served, packs: await lastGoodPacks(storage, disk, options.snapshots) };
      disk.keepRuntimes(served.packs);
      await disk.look([]);
    }
    const draft = draftOf(served);
    const steps: Step[] = [];
    for (const dir of dirs) {
      const change = dirty.get(dir) ?? null;
      const decision = decide(draft, disk, dir, { settled: isSettled(change, began), isWanted: disk.isWanted });
      if (decision.lookAgain) lookAgain(dir, change);
      steps.push(...decision.steps);
      // The ref of a pack that is gone is free for another that claims it.
      const freed = decision.steps.filter((one) => one.plan === null).map((one) => one.ref);
      for (const [other, scan] of disk.scans) if (freed.includes(scan.ref)) dirs.add(other);
    }
    const touched = steps.filter(
      (one) => isFirst || one.plan === null || one.plan.changes.length > 0 || one.plan.manifestChanged,
    );
    // While the database works: nothing runs from a copy before the new registry is in force.
    const copied = disk.copy(dirs);
    try {
      if (touched.length > 0 || isFirst || runtimesChanged) rules = await write(draft, touched, runtimesChanged);
    } finally {
      await copied;
    }
    attachCopies(draft, disk, served, steps);
    const stored = performance.now();

    unapplied.clear();

    const before = registry;
    if (isFirst || runtimesChanged || touched.some(concernsRules)) {
      const parts = { packs: draft.packs, runtimes: disk.runtimes, rules: rulesOf(draft.packs, rules) };
      registry = buildRegistry(registry, parts, compile);
    } else {
      registry = { ...registry, generation: registry.generation + 1, packs: draft.packs };
    }
    served = draft;
    const unsettled = [...dirty.values()].flatMap((change) => (change && !isSettled(change, began) ? [change] : []));
    registry = { ...registry, packs: withProblems(registry, before, packsToJudge(registry, steps), unsettled) };
    const now = performance.now();
    const reports = steps.map((one) =>
      reportOf(
        one,
        { before, after: registry, broken: brokenPacks() },
        {
          watch: Math.max(0, began - (dirty.get(one.dir)?.first ?? began)),
          parse: parsed - began,
          database: stored - parsed,
          publish: now - stored,
        },
      ),
    );
    options.published(registry, reports);
    return reports;
  }

  /** Waits for a database that is away. */
  async function persistently<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (thrown) {
        const error = toError(thrown);
        if (!(error instanceof AttuneError && error.retryable) || options.scope.signal.aborted) throw error;
        log.warn("cannot reload packs now; trying again", { error: describeError(error) });
        await Bun.sleep(retryAfter);
      }
    }
  }

  /** Bad news waits until the directory has been quiet for long enough. */
  function lookAgain(dir: string, change: DirectoryChange | null): void {
    const quietSince = change?.last ?? performance.now();
    const timer = setTimeout(
      () => {
        forget();
        void api.reloadDirectories(new Map([[dir, { first: quietSince, last: quietSince }]])).catch((thrown) => {
          log.error("reloading a pack failed", { dir, error: describeError(thrown) });
        });
      },
      Math.max(1, quietSince + settlingTime + 1 - performance.now()),
    );
    const forget = options.scope.defer(() => clearTimeout(timer));
  }

  /** Writes what changed and returns the rows of all rules after it. */
  async function write(
    draft: Draft,
    touched: readonly Step[],
    runtimesChanged: boolean,
  ): Promise<ReadonlyMap<string, StoredRule>> {
    const isFirst = registry.generation === 0;
    const isNew = (ref: string) =>
      isFirst || !served.packs.has(ref) || touched.some((one) => one.ref === ref && one.plan === null);
    const rows = await storage.transaction(async (tx) => {
      if (isFirst || runtimesChanged || touched.some((one) => one.plan?.changes.some(({ kind }) => kind === "runtime") ?? true))
        await storeRuntimes(tx, disk.runtimes);
      for (const { ref, plan } of inOrder(touched, (one) => draft.packs.get(one.ref)?.manifest)) {
        const pack = draft.packs.get(ref);
        if (!pack) await retirePack(tx, ref);
        else if (plan) await storePack(tx, pack, isNew(ref) ? null : plan.changes);
      }
      const changed = touched.flatMap((one) => one.plan?.changes ?? []).filter((change) => change.kind === "rule");
      if (!isFirst && changed.length === 0) return [];
      return readRules(tx, isFirst ? null : changed.map((change) => change.ref));
    });
    const next = new Map(rules);
    for (const { ref, plan } of touched) {
      for (const change of plan?.changes ?? []) if (change.kind === "rule") next.delete(change.ref);
      if (plan === null) for (const rule of served.packs.get(ref)?.rules.keys() ?? []) next.delete(rule);
    }
    for (const row of rows) next.set(row.ref, row);
    return next;
  }

  /**
   * The packs with their mistakes, those of `refs` looked at anew. While packs are being saved, what they seem to lack of each
   * other waits like other bad news: it may be in the file saved next.
   */
  function withProblems(
    next: Registry,
    before: Registry,
    refs: Iterable<string>,
    unsettled: readonly DirectoryChange[],
  ): ReadonlyMap<string, LoadedPack> {
    const packs = new Map(next.packs);
    const latest = unsettled.toSorted((a, b) => b.last - a.last)[0];
    for (const ref of refs) {
      const pack = packs.get(ref);
      const dir = served.owners.get(ref) ?? "";
      const scan = disk.scans.get(dir);
      if (!pack || !scan) continue;
      const all = problemsAcross(next, pack, scan.placeOf);
      const across = latest ? withoutNews(all, before.packs.get(ref)?.problems ?? []) : all;
      if (latest && across.length < all.length) lookAgain(dir, latest);
      packs.set(ref, { ...pack, problems: [...(served.problems.get(ref) ?? []), ...across] });
    }
    return packs;
  }

  function brokenPacks(): ReadonlyMap<string, readonly Problem[]> {
    return new Map([...served.broken.values()].map(({ ref, problems }) => [ref, problems]));
  }

  const api: Reconciler = {
    get registry() {
      return registry;
    },
    get broken() {
      return brokenPacks();
    },
    reload: (only) =>
      inTurn(async () => {
        const reports = await reload(new Map((await disk.everything()).map((dir) => [dir, null])));
        if (only === undefined) return reports;
        if (!registry.packs.has(only) && !brokenPacks().has(only)) {
          throw new AttuneError("NOT_FOUND", `there is no pack ${only}`, { hint: suggestion(only, registry.packs.keys()) });
        }
        return reports.filter((report) => report.pack === only);
      }),
    reloadDirectories: (changes) => inTurn(() => persistently(() => reload(changes))),
    useRuntimes: (runtimes) =>
      inTurn(async () => {
        const otherNames = await disk.useRuntimes(runtimes);
        if (registry.generation === 0) return;
        const dirs = otherNames ? await disk.everything() : [];
        await persistently(() => reload(new Map(dirs.map((dir) => [dir, null])), true));
      }),
    rewrite: (ref, write) =>
      inTurn(async () => {
        const dir = served.owners.get(ref);
        if (dir === undefined)
          throw new AttuneError("NOT_FOUND", `there is no pack ${ref}`, { hint: suggestion(ref, registry.packs.keys()) });
        if (dir === options.corePack)
          throw new AttuneError("CONFLICT", "the core pack is part of attune", { hint: "attune pack eject core copies it out" });
        await write(disk.scans.get(dir)?.dir ?? dir);
        return await persistently(() => reload(new Map([[dir, null]])));
      }),
    changeRules: (change) =>
      inTurn(async () => {
        await change();
        rules = new Map((await readRules(storage)).map((row) => [row.ref, row]));
        const parts = { packs: registry.packs, runtimes: disk.runtimes, rules: rulesOf(registry.packs, rules) };
        registry = buildRegistry(registry, parts, compile);
        options.published(registry, []);
      }),
  };
  return api;
}

function isSettled(change: DirectoryChange | null, now: number): boolean {
  return change === null || now - change.last >= settlingTime;
}
