import { extname } from "node:path";
import { nearest } from "../errors.ts";
import type { RuntimeDefinition } from "../registry.ts";
import { extensionsOf } from "../runtimes/declared.ts";
import { wordsOf } from "../runtimes/runtimes.ts";
import type { NamedRuntime } from "../runtimes/set.ts";

/** The words and file name endings by which components choose a runtime. */
export interface RuntimeNames {
  /** Ref, name or alias in lower case, to the runtime's ref. */
  readonly words: ReadonlyMap<string, string>;
  /** Ending with its dot in lower case, such as `.py`, to the runtime's ref. */
  readonly extensions: ReadonlyMap<string, string>;
}

/** The runtime's ref. Nothing provides an `unknown` one: that is the word, lower case, until something does. */
export type RunnerChoice =
  | { readonly runtime: string; readonly unknown: false }
  | { readonly runtime: string; readonly unknown: true; readonly near: string | undefined };

/** What the contract takes when neither `runner_type` nor the file's name says anything. */
const DEFAULTS = { action: "shell", sensor: "native" } as const;

/** The runtime of a component: its `runner_type`, else its entry point's ending, else the default of its kind. */
export function chooseRuntime(
  kind: "action" | "sensor",
  runnerType: string | null,
  entryPoint: string,
  known: RuntimeNames,
): RunnerChoice {
  const byEnding = runnerType === null ? known.extensions.get(extname(entryPoint).toLowerCase()) : undefined;
  if (byEnding !== undefined) return { runtime: byEnding, unknown: false };
  const word = (runnerType ?? DEFAULTS[kind]).trim().toLowerCase();
  const runtime = known.words.get(word);
  return runtime === undefined
    ? { runtime: word, unknown: true, near: nearest(word, known.words.keys()) }
    : { runtime, unknown: false };
}

/** As the runtimes name themselves; a name that two claim is the first one's. */
export function runtimeNamesOf(runtimes: Iterable<NamedRuntime>): RuntimeNames {
  const words = new Map<string, string>();
  const extensions = new Map<string, string>();
  for (const runtime of runtimes) addNames({ words, extensions }, runtime);
  return { words, extensions };
}

/** The known names and those of the runtimes a pack brings itself. A name already taken keeps its meaning. */
export function withPackRuntimes(known: RuntimeNames, runtimes: Iterable<RuntimeDefinition>): RuntimeNames {
  const words = new Map(known.words);
  const extensions = new Map(known.extensions);
  for (const definition of runtimes) addNames({ words, extensions }, { ...definition, extensions: extensionsOf(definition) });
  return { words, extensions };
}

function addNames(names: { words: Map<string, string>; extensions: Map<string, string> }, runtime: NamedRuntime): void {
  for (const word of wordsOf(runtime)) addNew(names.words, word, runtime.ref);
  for (const extension of runtime.extensions) addNew(names.extensions, withDot(extension), runtime.ref);
}

function withDot(extension: string): string {
  return extension.startsWith(".") ? extension : `.${extension}`;
}

function addNew(names: Map<string, string>, word: string, ref: string): void {
  const key = word.toLowerCase();
  if (!names.has(key)) names.set(key, ref);
}
