import type { Settings } from "../config.ts";
import { baseEnvironment, type Environment } from "../environment.ts";
import type { Logger } from "../plugin.ts";
import type { Runtime } from "../registry.ts";
import { extensionsOf, runtimeFromDefinition } from "./declared.ts";
import type { RuntimeDefinition } from "./definition.ts";
import { isListed, type RuntimeLimits, refusals, runtimeLimits, unknownListed } from "./limits.ts";
import { wordsOf } from "./runtimes.ts";

/** How packs may name a runtime. */
export type NamedRuntime = Pick<Runtime, "ref" | "name" | "aliases" | "extensions">;

/** Turns the runtimes of plugins and those that packs declare into what is served. */
export interface RuntimeSet {
  /**
   * One that claims a word which another before it has is left out. A declared one is verified when its definition is new; the
   * names are known before that.
   */
  resolve(
    ofPlugins: readonly Runtime[],
    definitions: Iterable<RuntimeDefinition>,
  ): { readonly named: readonly NamedRuntime[]; readonly runtimes: Promise<readonly Runtime[]> };
  /** Everything is verified anew the next time. */
  forget(): void;
}

/** The set that a daemon with these settings and this environment serves. */
export function runtimeSetOf(
  settings: Pick<Settings, "runtimes" | "passEnvironment">,
  env: Environment,
  log: Logger,
): RuntimeSet {
  const limits = runtimeLimits(settings.runtimes, env);
  return createRuntimeSet({ env: baseEnvironment(env, settings.passEnvironment), limits, log });
}

export function createRuntimeSet(options: {
  /** The environment that children get. */
  readonly env: Readonly<Record<string, string>>;
  readonly limits: RuntimeLimits;
  readonly log: Logger;
}): RuntimeSet {
  const { env, limits, log } = options;
  let verified: ReadonlyMap<string, Promise<Runtime>> = new Map();
  let isFirst = true;

  function verify(definition: RuntimeDefinition): Promise<Runtime> {
    return runtimeFromDefinition(definition, {
      env,
      ask: !isListed(limits, wordsOf(definition)),
      warn: (message) => log.warn(message, { runtime: definition.ref }),
    });
  }

  return {
    resolve(ofPlugins, definitions) {
      const taken = new Set(ofPlugins.flatMap(wordsOf));
      const accepted = [...definitions].filter((definition) => {
        const words = wordsOf(definition);
        if (words.some((word) => taken.has(word))) return false;
        for (const word of words) taken.add(word);
        return true;
      });
      if (isFirst) for (const sentence of unknownListed(limits, [...taken])) log.warn(sentence);
      isFirst = false;
      const known = verified;
      verified = new Map(accepted.map((one) => [keyOf(one), known.get(keyOf(one)) ?? verify(one)]));
      const all = [...ofPlugins.map((runtime) => Promise.resolve(runtime)), ...verified.values()];
      return {
        named: [...ofPlugins, ...accepted.map((one) => ({ ...one, extensions: extensionsOf(one) }))],
        runtimes: Promise.all(all).then((runtimes) =>
          runtimes.map((runtime) => ({ ...runtime, refused: refusals(limits, wordsOf(runtime)) })),
        ),
      };
    },
    forget() {
      verified = new Map();
    },
  };
}

function keyOf({ hash, file }: RuntimeDefinition): string {
  return `${hash} ${file}`;
}
