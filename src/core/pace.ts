import { setTimeout as sleep } from "node:timers/promises";

/**
 * Waits until it is the caller's turn, in the order of the calls. `cost` is what it takes of the allowance, default 1.
 * Resolves with true then, and with false when the signal is aborted before.
 */
export type Pace = (signal: AbortSignal, cost?: number) => Promise<boolean>;

/** Lets `burst` through at once and after that `perSecond`. */
export function createPace({ perSecond, burst }: { perSecond: number; burst: number }): Pace {
  const each = 1_000 / perSecond;
  let used = 0;
  return async (signal, cost = 1) => {
    const now = performance.now();
    used = Math.max(used, now - burst * each) + cost * each;
    if (used <= now) return true;
    return sleep(used - now, true, { signal }).catch(() => false);
  };
}
