/** The last lines something wrote, for whoever asks later or follows now. */
export interface RecentLines {
  add(line: string): void;
  all(): readonly string[];
  /** The kept lines, then each new one until the signal is aborted. */
  follow(signal: AbortSignal): AsyncGenerator<string>;
}

const longestLine = 4_096;
/** A follower that reads slower than this many lines behind loses the oldest. */
const backlog = 10_000;

export function createRecentLines(limit: number): RecentLines {
  let lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  return {
    add(line) {
      const kept = line.length > longestLine ? `${line.slice(0, longestLine)}...` : line;
      lines.push(kept);
      if (lines.length > 2 * limit) lines = lines.slice(-limit);
      for (const listener of listeners) listener(kept);
    },
    all: () => lines.slice(-limit),
    async *follow(signal) {
      const queue = lines.slice(-limit);
      let arrived = Promise.withResolvers<void>();
      const listener = (line: string) => {
        queue.push(line);
        if (queue.length > backlog) queue.shift();
        arrived.resolve();
      };
      const aborted = () => arrived.resolve();
      listeners.add(listener);
      signal.addEventListener("abort", aborted);
      try {
        for (;;) {
          for (let line = queue.shift(); line !== undefined; line = queue.shift()) yield line;
          if (signal.aborted) return;
          await arrived.promise;
          arrived = Promise.withResolvers<void>();
        }
      } finally {
        listeners.delete(listener);
        signal.removeEventListener("abort", aborted);
      }
    },
  };
}
