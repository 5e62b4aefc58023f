import type { Settings } from "../config.ts";
import type { Environment } from "../environment.ts";
import { nearest } from "../errors.ts";
import type { Runtime } from "../registry.ts";

/** The runtimes that the operator lets actions and sensors use; null: all. */
export interface RuntimeLimits {
  readonly action: Limit | null;
  readonly sensor: Limit | null;
}
interface Limit {
  /** Refs, names or aliases, lower case. */
  readonly words: readonly string[];
  /** Where the list stands, for the operator. */
  readonly source: string;
}

export const unlimited: RuntimeLimits = { action: null, sensor: null };

export function runtimeLimits({ actions, sensors }: Settings["runtimes"], env: Environment): RuntimeLimits {
  const limit = (words: readonly string[] | null, variable: string, key: string): Limit | null =>
    words && { words: words.map((word) => word.toLowerCase()), source: env[variable] ? variable : `${key} of the configuration` };
  return {
    action: limit(actions, "ATTUNE_WORKER_RUNTIMES", "runtimes.actions"),
    sensor: limit(sensors, "ATTUNE_SENSOR_RUNTIMES", "runtimes.sensors"),
  };
}

/** Whether the operator has named it, and so vouches for it. `words` are those of one runtime. */
export function isListed({ action, sensor }: RuntimeLimits, words: readonly string[]): boolean {
  return [action, sensor].some((limit) => limit?.words.some((word) => words.includes(word)));
}

/** Why each kind of component may not use the runtime that has these words; null where it may. */
export function refusals(limits: RuntimeLimits, words: readonly string[]): Runtime["refused"] {
  const refusal = (limit: Limit | null) =>
    limit === null || limit.words.some((word) => words.includes(word)) ? null : `not in ${limit.source}`;
  return { action: refusal(limits.action), sensor: refusal(limits.sensor) };
}

/** One sentence for each listed word that is no runtime's. */
export function unknownListed({ action, sensor }: RuntimeLimits, known: readonly string[]): string[] {
  return [action, sensor].flatMap((limit) =>
    (limit?.words ?? [])
      .filter((word) => !known.includes(word))
      .map((word) => {
        const near = nearest(word, known);
        return `${limit?.source} names ${word}, which is no runtime now${near ? `; did you mean ${near}?` : ""}`;
      }),
  );
}
