import { extname } from "node:path";
import { nearest } from "../errors.ts";
import type { Registry, RuntimeDefinition } from "../registry.ts";
import { isObject } from "../values.ts";

/** The words and file name endings by which components choose a runtime. */
export interface RuntimeNames {
  /** Ref, name or alias in lower case, to the runtime's ref. */
  readonly words: ReadonlyMap<string, string>;
  /** Ending with its dot in lower case, such as `.py`, to the runtime's ref. */
  readonly extensions: ReadonlyMap<string, string>;
}

export type RunnerChoice =
  | { readonly runtime: string }
  | { readonly runtime: null; readonly word: string; readonly near: string | undefined };

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
  if (byEnding !== undefined) return { runtime: byEnding };
  const word = runnerType ?? DEFAULTS[kind];
  const runtime = known.words.get(word.trim().toLowerCase());
  return runtime === undefined ? { runtime: null, word, near: nearest(word, known.words.keys()) } : { runtime };
}

export function runtimeNamesOf(registry: Pick<Registry, "runtimes" | "runtimeNames">): RuntimeNames {
  const extensions = new Map<string, string>();
  for (const runtime of registry.runtimes.values()) {
    for (const extension of runtime.extensions) addNew(extensions, withDot(extension), runtime.ref);
  }
  return { words: registry.runtimeNames, extensions };
}

/** The known names and those of the runtimes a pack brings itself. A name already taken keeps its meaning. */
export function withPackRuntimes(known: RuntimeNames, runtimes: Iterable<RuntimeDefinition>): RuntimeNames {
  const words = new Map(known.words);
  const extensions = new Map(known.extensions);
  for (const { ref, name, aliases, execution_config } of runtimes) {
    for (const word of [ref, name, ...aliases]) addNew(words, word, ref);
    const { interpreter } = execution_config;
    const extension = isObject(interpreter) ? interpreter["file_extension"] : null;
    if (typeof extension === "string" && extension !== "") addNew(extensions, withDot(extension), ref);
  }
  return { words, extensions };
}

function withDot(extension: string): string {
  return extension.startsWith(".") ? extension : `.${extension}`;
}

function addNew(names: Map<string, string>, word: string, ref: string): void {
  const key = word.toLowerCase();
  if (!names.has(key)) names.set(key, ref);
}
