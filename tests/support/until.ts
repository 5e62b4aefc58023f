/**
 * Waits until `condition` gives something truthy and returns it. Polls every 5 ms; fails after `timeout` milliseconds
 * (default 30,000) with `what` and the last error the condition threw.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  { timeout = 30_000 }: { timeout?: number } = {},
): Promise<Exclude<T, null | undefined | false>> {
  const deadline = performance.now() + timeout;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, null | undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await Bun.sleep(5);
  }
  throw new Error(`waited ${timeout} ms for: ${what}${last ? `; last error: ${String(last)}` : ""}`);
}
