import { AttuneError, toError } from "../errors.ts";
import type { Interpreter, Logger, RuntimePlugin } from "../plugin.ts";
import type { Action, Registry, Runtime, Sensor } from "../registry.ts";
import { newest } from "./versions.ts";

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
    refused: { action: null, sensor: null },
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

/** What an action or sensor is run with, or why it can't be. */
export type Usable =
  | { readonly available: true; readonly runtime: Runtime; readonly interpreter: Interpreter }
  | { readonly available: false; readonly reason: string };

/**
 * The interpreter for a component: the newest that its `runtime_version` admits, and the preferred one when it states none.
 * The reasons start with `runtime unavailable`.
 */
export function usable(registry: Pick<Registry, "runtimes">, component: Action | Sensor): Usable {
  const runtime = registry.runtimes.get(component.runtime);
  const unavailable = (reason: string): Usable => ({ available: false, reason: `runtime unavailable: ${reason}` });
  if (!runtime) return unavailable(`nothing provides ${component.runtime}`);
  const { state, refused } = runtime;
  const refusal = refused[component.kind];
  if (refusal !== null) return unavailable(`${runtime.ref}: ${refusal}`);
  if (!state.available) return unavailable(`${runtime.ref}: ${state.reason}`);
  const range = component.runtime_version;
  if (range === null) return { available: true, runtime, interpreter: state.interpreters[0] };
  const interpreter = newest(state.interpreters, range);
  if (interpreter) return { available: true, runtime, interpreter };
  const versions = state.interpreters.flatMap(({ version }) => version ?? []);
  const found = versions.length > 0 ? `found ${versions.join(", ")}` : "its version is not known";
  return unavailable(`no ${runtime.name} satisfies ${range} (${found})`);
}

type Named = Pick<Runtime, "ref" | "name" | "aliases">;

/** Every name a component may use for a runtime, lower case: its ref, its name and its aliases. */
export function wordsOf(runtime: Named): string[] {
  return [...new Set([runtime.ref, runtime.name, ...runtime.aliases].map((name) => name.toLowerCase()))];
}

/** Every word usable as `runner_type` to the ref of its runtime. Throws PLUGIN_INVALID for a word that two claim. */
export function runtimeNames(runtimes: Iterable<Named>): Map<string, string> {
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
