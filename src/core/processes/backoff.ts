export interface RestartPolicy {
  /** Milliseconds before the first restart; doubles with each. */
  readonly initial: number;
  readonly max: number;
  /** A run of at least this many milliseconds counts as healthy and resets the doubling. */
  readonly healthyAfter: number;
}
export const sensorRestarts: RestartPolicy = { initial: 1_000, max: 60_000, healthyAfter: 60_000 };

/** How many failed runs in a row there have been, `failed` of them before one of `ranFor` milliseconds ended: at least 1. */
export function failedRuns(policy: RestartPolicy, failed: number, ranFor: number): number {
  return ranFor >= policy.healthyAfter ? 1 : failed + 1;
}

/**
 * Milliseconds to wait after `failed` failed runs in a row (1 for the first). Full jitter: neighbours that failed together
 * don't come back together. `random` is in [0, 1).
 */
export function restartDelay(policy: RestartPolicy, failed: number, random: number): number {
  const ceiling = Math.min(policy.max, policy.initial * 2 ** Math.min(failed - 1, 30));
  return Math.round(ceiling * random);
}
