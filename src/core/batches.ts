/**
 * One loop that takes what is waiting. Each call offers an item and settles with the batch that held it.
 *
 * Batches form from what waits when the loop comes round, in order and up to `max` items: a lone item goes at once, and
 * the more that arrives while `run` works, the larger the next batch. There is no timer, and `run` never overlaps itself.
 * When `run` rejects, the items of that batch and those that wait behind it reject with the same reason, so that none of
 * them is taken before one that was offered ahead of it is offered again. The loop goes on with what comes then.
 */
export function createBatcher<T>(options: { max: number; run(batch: T[]): Promise<void> }): (item: T) => Promise<void> {
  const waiting: Array<{ item: T; settled: PromiseWithResolvers<void> }> = [];
  let looping = false;

  async function takeWhatWaits(): Promise<void> {
    // Items offered in the same tick share the first batch.
    await null;
    while (waiting.length > 0) {
      const batch = waiting.splice(0, options.max);
      try {
        await options.run(batch.map(({ item }) => item));
        for (const { settled } of batch) settled.resolve();
      } catch (thrown) {
        for (const { settled } of [...batch, ...waiting.splice(0)]) settled.reject(thrown);
      }
    }
    looping = false;
  }

  return (item) => {
    const settled = Promise.withResolvers<void>();
    waiting.push({ item, settled });
    if (!looping) {
      looping = true;
      void takeWhatWaits();
    }
    return settled.promise;
  };
}
