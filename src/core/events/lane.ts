import { setTimeout as sleep } from "node:timers/promises";
import { AttuneError, toError } from "../errors.ts";
import type { Awaitable, Logger } from "../plugin.ts";

/** What one process of a sensor wrote, on its way to where it is safe. */
export interface Lane {
  /**
   * Prepares an item at once and hands it on after the items of earlier calls were, so that a checkpoint is not stored
   * before what came ahead of it. Resolves when the item is safe, when preparing it gave null, or when the lane was closed.
   * A retryable error of `hand` holds the whole lane up until it passes; any other rejects.
   */
  pass<T>(prepare: () => Awaitable<T | null>, hand: (item: T) => Promise<void>): Promise<void>;
}

const firstPause = 100;
/** One item a second is no load for a server that comes up, and no long wait for one that is there again. */
const longestPause = 1_000;

/** `closed` ends all waiting: what is not safe by then is dropped. */
export function createLane(source: string, closed: AbortSignal, log: Logger): Lane {
  let last: Promise<void> = Promise.resolve();
  let count = 0;
  let pausing = false;
  let failures = 0;
  const waiting: { readonly number: number; resume(): void }[] = [];

  async function pause(reason: string): Promise<void> {
    if (pausing) return;
    pausing = true;
    if (failures === 0) log.warn("cannot take events now; the sensor waits, nothing is lost", { sensor: source, error: reason });
    const length = Math.min(longestPause, firstPause * 2 ** failures++);
    await sleep(length, undefined, { signal: closed }).catch(() => {}); // Closed: whoever waits sees it.
    pausing = false;
    // What was on its way may have failed after something behind it had begun to wait.
    for (const one of waiting.splice(0).sort((a, b) => a.number - b.number)) one.resume();
  }

  function goesAgain(): void {
    if (failures === 0 || pausing) return;
    failures = 0;
    log.info("events are taken again", { sensor: source });
  }

  return {
    async pass(prepare, hand) {
      const number = count++;
      const ahead = last;
      const handed = Promise.withResolvers<void>();
      last = handed.promise;
      try {
        const item = await Promise.try(prepare).finally(() => ahead);
        if (item === null) return;
        for (;;) {
          while (pausing && !closed.aborted) await new Promise<void>((resume) => waiting.push({ number, resume }));
          if (closed.aborted) return;
          handed.resolve();
          try {
            await hand(item);
            goesAgain();
            return;
          } catch (thrown) {
            const error = toError(thrown);
            if (!(error instanceof AttuneError && error.retryable)) throw error;
            void pause(error.message);
          }
        }
      } finally {
        handed.resolve();
      }
    },
  };
}
