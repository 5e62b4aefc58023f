import { setImmediate as nextTurn } from "node:timers/promises";

/** Longest the event loop is held by work over many files. */
const SLICE_MS = 2;

/** To be awaited between pieces of work: gives the event loop its turn whenever the work since the last turn took longer than a slice. */
export function breather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE_MS) return;
    await nextTurn();
    since = performance.now();
  };
}
