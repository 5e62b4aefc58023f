import { rmSync } from "node:fs";
import { AttuneError, type Position } from "../errors.ts";
import type { HookedPlugin } from "../hooks.ts";
import { checkedLaunch, within } from "../launch.ts";
import { importBundle, placeOf } from "../modules.ts";
import type { ChildScope, HooksPlugin, Logger, OpenContext, Plugin, RuntimePlugin, Scope } from "../plugin.ts";
import type { Runtime } from "../registry.ts";
import { runtimeFromPlugin } from "../runtimes/runtimes.ts";
import type { GoodVersion } from "./good.ts";
import { mistakeOf, type PluginMistake, placeOfWord } from "./places.ts";
import { checkShape } from "./shape.ts";
import type { PluginFacts } from "./trial.ts";
import type { Watchdog } from "./watchdog.ts";

/** A plugin that could serve: loaded and probed. */
export interface Prepared {
  readonly facts: PluginFacts;
  /** null for one that is only opened at start. */
  readonly plugin: RuntimePlugin | HooksPlugin | null;
  readonly runtime: Runtime | null;
  readonly hooked: HookedPlugin | null;
  /** null for one given as a value. */
  readonly version: GoodVersion | null;
  /** Probes its runtime again. */
  readonly probe: () => Promise<Runtime | null>;
}
/** A plugin that serves. `scope` is what its `setup` was given, and ends with this version. */
export interface Active extends Prepared {
  readonly scope: ChildScope | null;
}

export interface ActivateContext {
  readonly scope: Scope;
  readonly log: Logger;
  readonly dataDir: string;
  readonly projectDir: string;
  readonly watchdog: Watchdog;
}

/** Milliseconds that each of loading, probing and `setup` may take. */
const timeLimit = 10_000;

/** Where a plugin comes from, as its runtime says it. */
export interface Origin {
  readonly namespace: string;
  readonly source: string;
}

/** Loads a bundle that passed its trial into the daemon. Resolves with the plugin, or with what is wrong. */
export async function loadVersion(
  file: string,
  version: GoodVersion,
): Promise<{ readonly plugin: RuntimePlugin | HooksPlugin } | { readonly mistake: PluginMistake }> {
  const inputs = new Set(version.inputs);
  try {
    const late = new Error(`it has not finished loading after ${timeLimit / 1_000} s`);
    const checked = checkShape(await within(timeLimit, importBundle(version.bundle, file, "PLUGIN_INVALID", inputs), late));
    if ("mistake" in checked) {
      const { message, hint, word } = checked.mistake;
      const at = (word === null ? null : placeOfWord(word, file, inputs)) ?? { file };
      throw new AttuneError("PLUGIN_INVALID", message, { at, hint: hint ?? undefined });
    }
    const { plugin } = checked;
    if (plugin.kind === "runtime" || plugin.kind === "hooks") return { plugin };
    throw new Error(`its kind was ${version.facts.kind} when it was tried, and is ${plugin.kind} now`);
  } catch (thrown) {
    return { mistake: mistakeOf(thrown, file, inputs) };
  }
}

/** Probes a plugin. Never rejects: an interpreter that is missing makes its runtime unavailable. */
export async function prepare(
  { log, watchdog }: Pick<ActivateContext, "log" | "watchdog">,
  plugin: RuntimePlugin | HooksPlugin,
  origin: Origin,
  version: GoodVersion | null,
  file: string | null,
): Promise<Prepared> {
  const inputs = new Set(version?.inputs ?? []);
  const place = (error: Error, word: string) =>
    placeOf(error, inputs) ?? (file === null ? null : placeOfWord(word, file, inputs));
  const { hooks } = plugin;
  // Nobody has to watch what comes with attune.
  const calling = origin.source === "built-in" ? undefined : watchdog.calling;
  const probe = () =>
    plugin.kind === "runtime"
      ? runtimeFromPlugin(
          limited(plugin, place, calling),
          { ...origin, revision: version?.hash ?? "" },
          log.child({ plugin: plugin.name }),
        )
      : Promise.resolve(null);
  return {
    facts: factsOf(plugin),
    plugin,
    runtime: await probe(),
    hooked: hooks ? { plugin: plugin.name, hooks, place } : null,
    version,
    probe,
  };
}

/** Its `probe` and `launch` with time limits, and what `launch` gives checked. */
function limited(
  plugin: RuntimePlugin,
  place: (error: Error, word: string) => Position | null,
  calling: Watchdog["calling"] | undefined,
): RuntimePlugin {
  const { probe } = plugin;
  const late = new Error(`\`probe\` has not answered after ${timeLimit / 1_000} s`);
  return {
    ...plugin,
    launch: checkedLaunch(plugin, (error) => place(error, "launch"), calling),
    ...(probe && {
      probe: (asked) =>
        within(
          timeLimit,
          Promise.try(() => probe.call(plugin, asked)),
          late,
        ),
    }),
  };
}

/** Calls `setup`, in a scope of its own that has ended when this throws. null when there is none. */
export async function setUp(context: ActivateContext, plugin: RuntimePlugin | HooksPlugin): Promise<ChildScope | null> {
  if (!plugin.setup) return null;
  const { dataDir, projectDir } = context;
  const scope = context.scope.child(`plugin ${plugin.name}`);
  const open: OpenContext = { scope, log: context.log.child({ plugin: plugin.name }), dataDir, projectDir };
  try {
    const late = new Error(`\`setup\` has not ended after ${timeLimit / 1_000} s`);
    context.watchdog.calling(`setup of plugin ${plugin.name}`);
    const done = Promise.try(() => plugin.setup?.(open));
    context.watchdog.calling(null);
    await within(timeLimit, done, late);
    return scope;
  } catch (thrown) {
    await scope.end().catch(() => {}); // What failed first is told.
    throw thrown;
  }
}

export function factsOf(plugin: Plugin): PluginFacts {
  return { kind: plugin.kind, name: plugin.name, hooks: Object.keys(plugin.hooks ?? {}) };
}

/** Removes a bundle that nothing uses any more, from the disk and from the memory. */
export function discard(version: GoodVersion): void {
  delete require.cache[version.bundle];
  rmSync(version.bundle, { force: true });
}
