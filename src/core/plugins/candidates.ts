import type { HooksPlugin, Logger, RuntimePlugin, Scope } from "../plugin.ts";
import { discard, loadVersion, type Prepared, prepare } from "./activate.ts";
import type { Entry } from "./entry.ts";
import type { BundleStore, GoodVersion } from "./good.ts";
import { judge, stampOf } from "./judge.ts";
import { mistakeAt, placeOfWord } from "./places.ts";
import { checkShape } from "./shape.ts";
import type { Source } from "./sources.ts";
import type { Teller } from "./tell.ts";
import type { TrialOptions } from "./trial.ts";
import type { Watchdog } from "./watchdog.ts";

export interface Candidates {
  /** Brings a plugin to what its files say now. */
  check(entry: Entry, source: Source): Promise<void>;
  /** After a restart a plugin whose file is broken serves as it last worked. */
  serveLast(entry: Entry, source: Source): Promise<void>;
  /** A plugin that is given as a value. */
  checkValue(entry: Entry, plugin: RuntimePlugin | HooksPlugin): Promise<void>;
}

/** Finds out which versions of plugins may serve, and hands them to `takeOver`. */
export function createCandidates(options: {
  store: BundleStore;
  trial: TrialOptions;
  teller: Teller;
  configFile: string | null;
  scope: Scope;
  log: Logger;
  watchdog: Watchdog;
  /** Called by one after the other. */
  takeOver: (entry: Entry, next: Prepared, began: number) => Promise<void>;
  /** Milliseconds without a change after which bad news about a file is believed. */
  settling: number;
  /** Asks for another look at all files after so many milliseconds. */
  lookAgain: (ms: number) => void;
}): Candidates {
  const { store, trial, teller, scope, takeOver, settling, lookAgain } = options;

  /** Lets a version serve that passed its trial, now or when the daemon last ran. */
  async function offer(entry: Entry, source: Source, version: GoodVersion, began: number): Promise<void> {
    const { file } = source;
    const { facts } = version;
    if (source.runtimesOnly && facts.kind !== "runtime") {
      entry.refused = version.hash;
      discard(version);
      const at = placeOfWord("kind", file, entry.inputs) ?? { file };
      teller.rejected(entry, mistakeAt(`a pack may bring runtimes only, and this is of kind ${facts.kind}`, at, null));
      return;
    }
    if (facts.kind === "storage" || facts.kind === "transport") {
      const nothing = { plugin: null, runtime: null, hooked: null, probe: () => Promise.resolve(null) };
      await takeOver(entry, { ...nothing, facts, version }, began);
      return;
    }
    const loaded = await loadVersion(file, version);
    if ("mistake" in loaded) {
      entry.refused = version.hash;
      discard(version);
      teller.rejected(entry, loaded.mistake);
      return;
    }
    const origin = { namespace: source.namespace, source: teller.shown(file) };
    const next = await prepare(options, loaded.plugin, origin, version, file);
    if (!scope.signal.aborted) await takeOver(entry, next, began);
  }

  return {
    async check(entry, source) {
      if (!source.trusted || scope.signal.aborted) return;
      if (entry.stamp !== null && stampOf(entry.inputs).stamp === entry.stamp) return;
      const began = performance.now();
      const asked = Date.now();
      const serving = entry.active?.version?.hash;
      const known = new Set([serving, entry.refused].filter((hash) => typeof hash === "string"));
      const outdated = new AbortController();
      const { verdict, inputs } = await judge(source, {
        dir: store.dir,
        trial: { ...trial, signal: AbortSignal.any([trial.signal, outdated.signal]) },
        known,
        trusted: store.good.get(source.file) ?? null,
        trying(inputs) {
          const { stamp } = stampOf(inputs);
          entry.reconsider = () => {
            if (stampOf(inputs).stamp !== stamp) outdated.abort();
          };
        },
      });
      entry.reconsider = null;
      if (scope.signal.aborted) return;
      if (outdated.signal.aborted) {
        entry.stamp = null; // Who found that out looks next.
        return;
      }
      entry.inputs = inputs;
      const { stamp, changed } = stampOf(inputs);
      // What may have been written while it was read is read once more.
      const isFresh = changed > asked - settling && changed <= Date.now();
      if (isFresh) lookAgain(Math.max(1, changed + settling + 1 - Date.now()));
      const isUnbuilt = verdict.kind === "bad" && verdict.hash === null;
      const isNewlyUnbuilt = isUnbuilt && entry.unbuiltSince === null;
      entry.unbuiltSince = isUnbuilt ? (entry.unbuiltSince ?? performance.now()) : null;
      if (isNewlyUnbuilt) lookAgain(settling + 1);
      // Files that it lacks may come, and none of those it has would tell.
      entry.stamp = isFresh || isUnbuilt ? null : stamp;
      const isBelieved =
        (!isFresh || Date.now() - changed >= settling) &&
        (entry.unbuiltSince === null || performance.now() - entry.unbuiltSince >= settling);
      if (verdict.kind === "known") {
        if (verdict.hash === serving) entry.mistake = null;
      } else if (verdict.kind === "good") {
        await offer(entry, source, verdict.version, began);
      } else if (isBelieved) {
        entry.refused = verdict.hash;
        teller.rejected(entry, verdict.mistake);
      }
    },

    async serveLast(entry, source) {
      const last = store.good.get(source.file);
      if (entry.active || !last || !source.trusted || scope.signal.aborted) return;
      const { mistake, refused } = entry;
      await offer(entry, source, last, performance.now());
      // What is wrong with the file is still wrong.
      entry.mistake ??= mistake;
      entry.refused ??= refused;
    },

    async checkValue(entry, plugin) {
      const began = performance.now();
      const checked = checkShape(plugin);
      if ("mistake" in checked) {
        const { message, hint } = checked.mistake;
        teller.rejected(entry, mistakeAt(message, { file: options.configFile ?? "" }, hint));
        return;
      }
      const origin =
        entry.from === "built-in" ? { namespace: "core", source: "built-in" } : { namespace: "local", source: "config" };
      await takeOver(entry, await prepare(options, plugin, origin, null, null), began);
    },
  };
}
