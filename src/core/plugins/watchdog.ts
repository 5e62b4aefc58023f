import type { Scope } from "../plugin.ts";

/** Names the plugin that blocks the daemon, while it does: nothing else can, since nothing else runs. */
export interface Watchdog {
  /** Code of a plugin is called from here on, or with null is not any more. */
  calling(what: string | null): void;
  /** From now on it watches. It costs a thread, so it is started only when there is a plugin to be watched. */
  start(): void;
}

/** Milliseconds between two signs of life, and without one after which a plugin is named. */
const beatEvery = 1_000;
const blockedAfter = 5_000;
const longestName = 500;

/** `limit`: milliseconds without a sign of life. The thread ends with the scope. */
export function createWatchdog(scope: Scope, limit = blockedAfter): Watchdog {
  const shared = new SharedArrayBuffer(8 + longestName);
  const numbers = new Int32Array(shared, 0, 2);
  const name = new Uint8Array(shared, 8);
  const encoder = new TextEncoder();
  let isWatching = false;
  return {
    calling(what) {
      if (isWatching) Atomics.store(numbers, 1, what === null ? 0 : encoder.encodeInto(what, name).written);
    },
    start() {
      if (isWatching) return;
      isWatching = true;
      const url = URL.createObjectURL(new Blob([watching]));
      const worker = new Worker(url, { smol: true });
      worker.unref();
      worker.postMessage({ shared, limit, pause: Math.min(beatEvery, limit / 2) });
      const beat = setInterval(() => Atomics.add(numbers, 0, 1), Math.min(beatEvery, limit / 2));
      beat.unref();
      scope.defer(() => {
        clearInterval(beat);
        worker.terminate();
        URL.revokeObjectURL(url);
      });
    },
  };
}

/** Runs in the thread. What is named is told once for each time that it blocks. */
const watching = `
const { writeSync } = require("node:fs");
onmessage = ({ data: { shared, limit, pause } }) => {
  const numbers = new Int32Array(shared, 0, 2);
  const name = new Uint8Array(shared, 8);
  let seen = -1, since = Date.now(), told = false;
  setInterval(() => {
    const beats = Atomics.load(numbers, 0);
    if (beats !== seen) {
      seen = beats; since = Date.now(); told = false;
      return;
    }
    const length = Atomics.load(numbers, 1);
    if (told || length === 0 || Date.now() - since < limit) return;
    told = true;
    const what = new TextDecoder().decode(name.slice(0, length));
    writeSync(2, "attune: " + what + " blocks the daemon, for " + Math.round((Date.now() - since) / 1000) + " s by now: it does not return\\n");
  }, pause);
};
`;
