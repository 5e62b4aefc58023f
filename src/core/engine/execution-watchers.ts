import type { ExecutionChange } from "../plugin.ts";

/** Whoever waits for executions to start or to end. */
export interface ExecutionWatchers {
  changed(change: ExecutionChange): void;
  /** Waits for changes, after a look at how it stands; rejects when `signal` is aborted. */
  until(
    id: string,
    signal: AbortSignal,
    what: "started" | "finished",
    look: () => Promise<"waiting" | "running" | "over">,
  ): Promise<void>;
  over(id: string): Promise<void>;
}

export function createExecutionWatchers(): ExecutionWatchers {
  const watchers = new Map<string, Set<(running: boolean) => void>>();

  function watch(id: string, tell: (running: boolean) => void): () => void {
    const set = watchers.get(id) ?? new Set();
    watchers.set(id, set.add(tell));
    return () => {
      set.delete(tell);
      if (set.size === 0 && watchers.get(id) === set) watchers.delete(id);
    };
  }

  return {
    changed(change) {
      for (const tell of watchers.get(change.id) ?? []) tell(change.to === "running");
    },
    async until(id, signal, what, look) {
      const reached = Promise.withResolvers<void>();
      const stop = watch(id, (running) => {
        if (!running || what === "started") reached.resolve();
      });
      const aborted = () => reached.reject(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      try {
        signal.throwIfAborted();
        // Watching first and looking second leaves no gap for a change to fall into.
        const now = await look();
        if (now === "over" || (now === "running" && what === "started")) return;
        await reached.promise;
      } finally {
        stop();
        signal.removeEventListener("abort", aborted);
      }
    },
    over(id) {
      const ended = Promise.withResolvers<void>();
      const stop = watch(id, (running) => {
        if (running) return;
        stop();
        ended.resolve();
      });
      return ended.promise;
    },
  };
}
