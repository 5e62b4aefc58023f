import type { DirectoryChange } from "./reconcile.ts";

/** Milliseconds without a change before a directory is reported: after a rename, and after a write in place. */
const afterRename = 2;
const afterWrite = 40;
/** A stream of changes is cut after this long. */
const longestWait = 250;

export interface QuietTimer {
  /**
   * A file of the directory changed; `complete` when it was put in place whole. `key` names its content rather than its
   * path, so that renaming a temporary file takes back the waiting for it to be written.
   */
  mark(dir: string, key: string, complete: boolean): void;
  stop(): void;
}

/**
 * Collects changes until a directory is quiet, then reports all that are due at once: what belongs together and was saved
 * together is read together.
 */
export function createQuietTimer(report: (changes: ReadonlyMap<string, DirectoryChange>) => void): QuietTimer {
  const waiting = new Map<string, { first: number; last: number; due: Map<string, number> }>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function schedule(): void {
    clearTimeout(timer);
    if (waiting.size === 0) return;
    // Until the last of them is quiet: a rule and the trigger it needs may lie in two packs.
    const due = Math.max(
      ...[...waiting.values()].map((change) => Math.min(change.first + longestWait, Math.max(...change.due.values()))),
    );
    timer = setTimeout(flush, Math.max(0, due - performance.now()));
  }

  function flush(): void {
    const changes = new Map([...waiting].map(([dir, { first, last }]) => [dir, { first, last }]));
    waiting.clear();
    report(changes);
  }

  return {
    mark(dir, key, complete) {
      const now = performance.now();
      const change = waiting.get(dir) ?? { first: now, last: now, due: new Map<string, number>() };
      change.last = now;
      change.due.set(key, now + (complete ? afterRename : afterWrite));
      waiting.set(dir, change);
      schedule();
    },
    stop() {
      clearTimeout(timer);
      waiting.clear();
    },
  };
}
