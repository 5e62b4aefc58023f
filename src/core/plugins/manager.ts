import path from "node:path";
import { describeError } from "../errors.ts";
import type { HookRunner } from "../hooks.ts";
import { within } from "../launch.ts";
import type { HooksPlugin, Logger, Plugin, RuntimePlugin, Scope } from "../plugin.ts";
import type { Runtime } from "../registry.ts";
import { type Active, discard, type Prepared, setUp } from "./activate.ts";
import { createCandidates } from "./candidates.ts";
import { clashOf, type Entry, newEntry } from "./entry.ts";
import { type GoodVersion, openBundles } from "./good.ts";
import { mistakeOf } from "./places.ts";
import { fileSources, packageSource, type Source } from "./sources.ts";
import { type PluginState, stateOf } from "./state.ts";
import { createTeller } from "./tell.ts";
import type { TrialOptions } from "./trial.ts";
import { type OnUncaught, tellUncaught } from "./uncaught.ts";
import type { Watchdog } from "./watchdog.ts";

export interface PluginsOptions {
  readonly builtin: readonly RuntimePlugin[];
  /** Values, and names of npm packages, in the order of the config. */
  readonly use: readonly (RuntimePlugin | HooksPlugin | string)[];
  readonly directories: readonly string[];
  readonly trustedPacks: readonly string[];
  readonly projectDir: string;
  readonly dataDir: string;
  readonly configFile: string | null;
  /** The packs that may bring runtimes. */
  readonly packs: () => Promise<readonly { readonly ref: string; readonly dir: string }[]>;
  /** What is opened at start: the storage and the transport. */
  readonly opened: readonly Plugin[];
  readonly trial: Omit<TrialOptions, "signal">;
  /**
   * Milliseconds without a change after which bad news about a file is believed, since an editor may be in the middle of
   * saving; default 400.
   */
  readonly settling?: number;
  readonly hooks: HookRunner;
  readonly watchdog: Watchdog;
  /** Without it what nothing catches is left to Bun, which prints it. */
  readonly uncaught?: OnUncaught;
  readonly scope: Scope;
  readonly log: Logger;
}

export interface Plugins {
  /** Those that serve, first those which get a name that two claim. */
  readonly runtimes: readonly Runtime[];
  /** Every file that a plugin is made of, wherever it lies. */
  readonly inputs: ReadonlySet<string>;
  /** From now on `changed` is called with all runtimes when one came, changed or went; it resolves when they are in force. */
  serve(changed: (runtimes: readonly Runtime[]) => Promise<void>): void;
  states(): readonly PluginState[];
  /** Looks at all files again; resolves when what is new serves or is rejected. Never rejects. */
  refresh(): Promise<void>;
  /** Looks again for the interpreters of all runtimes. */
  probe(): Promise<void>;
}

/** Milliseconds that a start waits for plugins; those which need longer come later. */
const startPatience = 3_000;

/**
 * Loads all plugins and keeps them equal to their files. Each is judged beside the others and takes over in turn; until then,
 * and when it is no good, the version before serves. Resolves when each has been looked at once, or after 3 s. Mistakes
 * never reject: they are told, and listed.
 */
export async function openPlugins(options: PluginsOptions): Promise<Plugins> {
  const { log, hooks, scope, settling = 400 } = options;
  const store = openBundles(path.join(options.dataDir, "plugins"));
  // Made here, so that what plugins acquire, whenever that is, outlives all that is started after this and calls them.
  const lifetimes = scope.child("plugins");
  const trial: TrialOptions = { ...options.trial, signal: scope.signal };
  const teller = createTeller({ log, hooks, projectDir: options.projectDir });
  const files = new Map<string, Entry>();
  const builtin = options.builtin.map((plugin) => ({
    plugin,
    entry: newEntry({ source: null, from: "built-in", name: plugin.name }),
  }));
  const given = options.use
    .filter((one) => typeof one === "object")
    .map((plugin) => ({ plugin, entry: newEntry({ source: null, from: "config", name: plugin.name }) }));
  let order: readonly Entry[] = [];
  let turn: Promise<void> = Promise.resolve();
  let isOpen = false;
  let changed: ((runtimes: readonly Runtime[]) => Promise<void>) | undefined;

  function inTurn(work: () => Promise<void>): Promise<void> {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  }

  /** Everybody uses what serves now. */
  async function publish(): Promise<void> {
    hooks.use(order.flatMap(({ active }) => active?.hooked ?? []));
    if (isOpen) noteGood();
    await changed?.(runtimesNow());
  }

  function noteGood(): void {
    const versions = order.flatMap(({ source, active }): [string, GoodVersion][] =>
      source && active?.version ? [[source.file, active.version]] : [],
    );
    store.note(new Map(versions));
  }

  function runtimesNow(): Runtime[] {
    return order.flatMap(({ active }) => active?.runtime ?? []);
  }

  async function takeOver(entry: Entry, next: Prepared, began: number): Promise<void> {
    const before = entry.active;
    const evicted: { entry: Entry; active: Active }[] = [];
    for (let clash = clashOf(entry, next, order, options.configFile); clash; ) {
      const { owner, mistake } = clash;
      // At the start the order decides, and not whose trial took longer.
      if (isOpen || !owner.active || order.indexOf(owner) < order.indexOf(entry)) {
        entry.stamp = null; // The other one may go.
        if (next.version) discard(next.version);
        teller.rejected(entry, mistake);
        return;
      }
      evicted.push({ entry: owner, active: owner.active });
      owner.active = null;
      clash = clashOf(entry, next, order, options.configFile);
    }
    if (entry.from !== "built-in" && next.plugin) options.watchdog.start();
    try {
      entry.active = { ...next, scope: next.plugin ? await setUp({ ...options, scope: lifetimes }, next.plugin) : null };
    } catch (thrown) {
      for (const one of evicted) one.entry.active = one.active;
      entry.refused = next.version?.hash ?? null;
      if (next.version) discard(next.version);
      teller.rejected(entry, mistakeOf(thrown, entry.source?.file ?? options.configFile ?? "", entry.inputs, "setup"));
      return;
    }
    entry.mistake = null;
    entry.refused = null;
    await publish();
    await retire(before);
    for (const one of evicted) {
      await retire(one.active);
      const clash = clashOf(one.entry, one.active, order, options.configFile);
      if (clash) teller.rejected(one.entry, clash.mistake);
      one.entry.stamp = null;
    }
    if (entry.from === "built-in" || next.plugin === null) return;
    teller.changed(next.facts.name, before ? "changed" : "added", performance.now() - began);
  }

  /** Ends a version that serves no more. */
  async function retire(before: Active | null): Promise<void> {
    await before?.scope?.end().catch((thrown) => {
      log.error(`plugin ${before.facts.name}: ending its last version failed`, { error: describeError(thrown) });
    });
    if (before?.version) discard(before.version);
  }

  function lookAgain(ms: number): void {
    const timer = setTimeout(() => {
      forget();
      void refresh().catch(failed);
    }, ms);
    const forget = scope.defer(() => clearTimeout(timer));
  }

  const candidates = createCandidates({
    store,
    trial,
    teller,
    configFile: options.configFile,
    scope,
    log,
    watchdog: options.watchdog,
    takeOver: (entry, next, began) => inTurn(() => takeOver(entry, next, began)),
    settling,
    lookAgain,
  });

  /** The plugins that are there now, in their order: built-in, as the config names them, files by name. */
  async function find(): Promise<readonly Entry[]> {
    const known = (source: Source) => {
      const entry = files.get(source.file) ?? newEntry({ source, from: source.from, name: source.name });
      if (!files.has(source.file) && !source.trusted) teller.untrusted(source);
      files.set(source.file, entry);
      entry.missingSince = null;
      return entry;
    };
    const inConfig = options.use.flatMap((one) =>
      typeof one === "string"
        ? known(packageSource(one, options.projectDir))
        : given.flatMap(({ plugin, entry }) => (plugin === one ? [entry] : [])),
    );
    const others = fileSources({ ...options, packs: await options.packs() }).map(known);
    return [...new Set([...builtin.map(({ entry }) => entry), ...inConfig, ...others])];
  }

  /** What is missing for long enough is gone; until then it goes on serving, since editors take files away while they save. */
  function withMissing(found: readonly Entry[]): readonly Entry[] {
    const now = performance.now();
    const missing = [...files.values()].filter((entry) => !found.includes(entry));
    for (const entry of missing) {
      if (entry.missingSince === null) lookAgain(settling + 1);
      entry.missingSince ??= now;
    }
    return [...found, ...missing.filter((entry) => now - (entry.missingSince ?? now) < settling)];
  }

  async function refresh(): Promise<void> {
    const began = performance.now();
    await inTurn(async () => {
      order = withMissing(await find());
      const gone = [...files].filter(([, entry]) => !order.includes(entry));
      for (const [file] of gone) files.delete(file);
      const served = gone.flatMap(([, { active }]) => active ?? []);
      if (served.length === 0) return;
      await publish();
      for (const active of served) {
        await retire(active);
        teller.changed(active.facts.name, "removed", performance.now() - began);
      }
    });
    await Promise.all(
      [...files.values()].map((entry) => {
        const { source } = entry;
        entry.reconsider?.();
        if (source && entry.missingSince === null)
          entry.tail = entry.tail.then(() => candidates.check(entry, source)).catch(failed);
        return entry.tail;
      }),
    );
  }

  const failed = (thrown: unknown) => log.error("loading plugins failed", { error: describeError(thrown) });
  const listening = options.uncaught?.((thrown) => tellUncaught(thrown, order, teller, log));
  if (listening) scope.defer(listening);
  scope.defer(() => turn);
  order = await find();
  await Promise.all([...builtin, ...given].map(({ plugin, entry }) => candidates.checkValue(entry, plugin)));
  const patience = new Error("a plugin is still being tried");
  await within(startPatience, refresh(), patience).catch((thrown) => thrown === patience || failed(thrown));
  for (const entry of files.values()) if (entry.source) await candidates.serveLast(entry, entry.source);
  noteGood();
  isOpen = true;

  return {
    get runtimes() {
      return runtimesNow();
    },
    get inputs() {
      return new Set([...files.values()].flatMap((entry) => [...entry.inputs]));
    },
    serve(listener) {
      changed = listener;
    },
    states: () => order.map((entry) => stateOf(entry, options.opened)),
    refresh: () => refresh().catch(failed),
    probe: () =>
      inTurn(async () => {
        const probed = await Promise.all(order.map(async (entry) => ({ entry, runtime: await entry.active?.probe() })));
        for (const { entry, runtime } of probed) if (entry.active && runtime) entry.active = { ...entry.active, runtime };
        await publish();
      }),
  };
}
