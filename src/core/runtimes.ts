import { AttuneError, toError } from "./errors.ts";
import type { Interpreter, Logger, RuntimePlugin } from "./plugin.ts";
import type { Action, Registry, Runtime, RuntimeDefinition, Sensor } from "./registry.ts";
import { isObject } from "./values.ts";

const probeLimit = 15_000;

/** Where the runtimes in the binary come from. */
export const builtIn = { namespace: "core", source: "built-in", revision: "" } as const;

/** A runtime plugin as the registry serves it: probed, so that what is missing is known before anything needs it. */
export async function runtimeFromPlugin(
  plugin: RuntimePlugin,
  from: { readonly namespace: string; readonly source: string; readonly revision: string },
  log: Logger,
): Promise<Runtime> {
  return {
    ref: `${from.namespace}.${plugin.name}`,
    name: plugin.name,
    description: plugin.description ?? null,
    aliases: plugin.aliases ?? [],
    extensions: plugin.extensions ?? [],
    source: from.source,
    revision: from.revision,
    state: await probe(plugin, log),
    launch: plugin.launch,
    environment: plugin.environment ?? null,
  };
}

async function probe(plugin: RuntimePlugin, log: Logger): Promise<Runtime["state"]> {
  if (!plugin.probe) return { available: true, interpreters: [{}] };
  try {
    const signal = AbortSignal.timeout(probeLimit);
    const found = await plugin.probe({ log, signal });
    return {
      available: true,
      interpreters: Array.isArray(found) ? (found as [Interpreter, ...Interpreter[]]) : [found as Interpreter],
    };
  } catch (thrown) {
    const error = toError(thrown);
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return { available: false, reason: missing ? "its interpreter is not installed" : firstLine(error.message) };
  }
}

/** A declarative runtime (contract 1.9): its interpreter and arguments, or the file itself when it names none. */
export function runtimeFromDefinition(definition: RuntimeDefinition): Runtime {
  const interpreter = definition.execution_config["interpreter"];
  const settings = isObject(interpreter) ? interpreter : {};
  const binary =
    typeof settings["binary"] === "string" && settings["binary"] !== "native" && settings["binary"] !== "none"
      ? settings["binary"]
      : "";
  const args = Array.isArray(settings["args"]) ? settings["args"].map(String) : [];
  const extension = typeof settings["file_extension"] === "string" ? [settings["file_extension"]] : [];
  const path = binary ? Bun.which(binary) : null;
  return {
    ref: definition.ref,
    name: definition.name,
    description: definition.description,
    aliases: definition.aliases,
    extensions: extension,
    source: definition.file,
    revision: definition.hash,
    state:
      binary && !path
        ? { available: false, reason: `${binary} is not on the PATH` }
        : { available: true, interpreters: [path ? { path } : {}] },
    launch: ({ entrypoint }) => ({ argv: path ? [path, ...args, entrypoint] : [entrypoint] }),
    environment: null,
  };
}

/** What an action or sensor is run with, or why it can't be. */
export type Usable =
  | { readonly available: true; readonly runtime: Runtime; readonly interpreter: Interpreter }
  | { readonly available: false; readonly reason: string };

/** The interpreter for a component; the reasons start with `runtime unavailable`. */
export function usable(registry: Pick<Registry, "runtimes">, component: Action | Sensor): Usable {
  const runtime = registry.runtimes.get(component.runtime);
  if (!runtime) return { available: false, reason: `runtime unavailable: nothing provides ${component.runtime}` };
  if (!runtime.state.available)
    return { available: false, reason: `runtime unavailable: ${runtime.ref}: ${runtime.state.reason}` };
  return { available: true, runtime, interpreter: runtime.state.interpreters[0] };
}

/** The runtimes and those that packs declare; one that claims a word which another has is left out. */
export function withDeclared(runtimes: readonly Runtime[], definitions: Iterable<RuntimeDefinition>): Runtime[] {
  const all = [...runtimes];
  const taken = new Set(runtimeNames(runtimes).keys());
  for (const definition of definitions) {
    const words = wordsOf(definition);
    if (words.some((word) => taken.has(word))) continue;
    for (const word of words) taken.add(word);
    all.push(runtimeFromDefinition(definition));
  }
  return all;
}

/** Every name a component may use for a runtime, lower case: its ref, its name and its aliases. */
export function wordsOf(runtime: Pick<Runtime, "ref" | "name" | "aliases">): string[] {
  return [...new Set([runtime.ref, runtime.name, ...runtime.aliases].map((name) => name.toLowerCase()))];
}

/** Every word usable as `runner_type` to the ref of its runtime. Throws PLUGIN_INVALID for a word that two claim. */
export function runtimeNames(runtimes: Iterable<Runtime>): Map<string, string> {
  const names = new Map<string, string>();
  for (const runtime of runtimes) {
    for (const word of wordsOf(runtime)) {
      const taken = names.get(word);
      if (taken) {
        throw new AttuneError("PLUGIN_INVALID", `runtime ${runtime.ref} claims the name ${word}, which ${taken} has`, {
          hint: "give it another name or alias",
        });
      }
      names.set(word, runtime.ref);
    }
  }
  return names;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}
