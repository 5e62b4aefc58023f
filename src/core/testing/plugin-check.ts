import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { bundleModule, storeBundle } from "../modules.ts";
import type { Plugin } from "../plugin.ts";
import { mistakeOf, type PluginMistake } from "../plugins/places.ts";
import { type PluginFacts, type Tried, tryPlugin } from "../plugins/trial.ts";
import { startChild } from "../processes/child.ts";
import { tryContract } from "./plugin-contract.ts";

export interface CheckOptions {
  /** Absolute path of the plugin's file. */
  readonly file: string;
  /** Absolute path of a script that a runtime is to run. */
  readonly script?: string | undefined;
  /** Command line of attune. */
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Milliseconds that one case may take. Default 10,000. */
  readonly caseLimit?: number;
  /** Ends the check; what was started ends too. */
  readonly signal: AbortSignal;
  /** Told each outcome as it comes. */
  readonly onOutcome?: (outcome: Outcome) => void;
}

export interface Outcome {
  readonly name: string;
  readonly status: "ok" | "failed" | "not tried";
  readonly ms: number;
  readonly problem: PluginMistake | null;
}

export interface PluginCheck {
  /** null when it can't be told, since the plugin does not load. */
  readonly kind: Plugin["kind"] | null;
  readonly name: string | null;
  readonly outcomes: readonly Outcome[];
}

/**
 * Checks a plugin's file as the daemon would take it, without one: builds it, loads it in a process of its own, checks its
 * shape, and tries the contract of its kind on it, in another process. Rejects only when these can't be started.
 */
export async function checkPlugin(options: CheckOptions): Promise<PluginCheck> {
  const outcomes: Outcome[] = [];
  const note = (outcome: Outcome) => {
    outcomes.push(outcome);
    options.onOutcome?.(outcome);
  };
  const scratch = await mkdtemp(path.join(tmpdir(), "attune-check-"));
  try {
    const tried = await build(options.file, scratch, note);
    const facts = tried && (await load(options, tried, note));
    if (facts) await tryContract(options, tried, note);
    return { kind: facts?.kind ?? null, name: facts?.name ?? null, outcomes };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function build(file: string, scratch: string, note: (outcome: Outcome) => void): Promise<Tried | null> {
  const inputs = new Set<string>();
  const timed = stopwatch("it builds");
  try {
    const bundle = await storeBundle(file, await bundleModule(file, "PLUGIN_INVALID", inputs), scratch);
    note(timed(null));
    return { file, bundle, inputs };
  } catch (thrown) {
    note(timed(mistakeOf(thrown, file, inputs)));
    return null;
  }
}

async function load(options: CheckOptions, tried: Tried, note: (outcome: Outcome) => void): Promise<PluginFacts | null> {
  const { command, env, cwd, signal } = options;
  const timed = stopwatch("it loads, and has the shape of a plugin");
  const result = await tryPlugin({ command, start: startChild, env, cwd, signal }, tried);
  signal.throwIfAborted();
  const passed = "facts" in result;
  note(timed(passed ? null : result.mistake));
  return passed ? result.facts : null;
}

function stopwatch(name: string): (problem: PluginMistake | null) => Outcome {
  const began = performance.now();
  return (problem) => ({ name, status: problem ? "failed" : "ok", ms: Math.round(performance.now() - began), problem });
}
