/** Lets at most `limit` work at a time, and at most one for each key, in the order they came. */
export interface Turns {
  /** Runs `work` when its turn has come. Rejects with the signal's reason, without running it, when that is aborted before. */
  take<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createTurns(limit: number): Turns {
  const busy = new Set<string>();
  let queue: { readonly key: string; readonly start: () => void }[] = [];

  function next(): void {
    for (const one of queue) {
      if (busy.size >= limit) return;
      if (busy.has(one.key)) continue;
      queue = queue.filter((other) => other !== one);
      busy.add(one.key);
      one.start();
    }
  }

  return {
    async take(key, signal, work) {
      const turn = Promise.withResolvers<void>();
      const mine = { key, start: turn.resolve };
      const leave = () => {
        if (!queue.includes(mine)) return;
        queue = queue.filter((one) => one !== mine);
        turn.reject(signal.reason);
      };
      signal.throwIfAborted();
      queue.push(mine);
      signal.addEventListener("abort", leave, { once: true });
      next();
      try {
        await turn.promise;
      } finally {
        signal.removeEventListener("abort", leave);
      }
      try {
        return await work();
      } finally {
        busy.delete(key);
        next();
      }
    },
  };
}
