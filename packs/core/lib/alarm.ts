/** A sleep that can be cut short. */
export interface Alarm {
  /** Resolves after `ms` milliseconds, null for never, or at the next `ring`. */
  wait(ms: number | null): Promise<void>;
  ring(): void;
}

export function createAlarm(): Alarm {
  let wake = () => {};
  return {
    wait: (ms) =>
      new Promise((resolve) => {
        const timeout = ms === null ? undefined : setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timeout);
          resolve();
        };
      }),
    ring: () => wake(),
  };
}
