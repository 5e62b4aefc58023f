import { expect, test } from "bun:test";
import { createBatcher } from "../../src/core/batches.ts";

/** A `run` that notes its batches and works on each until told to end. */
function gatedRun() {
  const batches: number[][] = [];
  const ends: Array<PromiseWithResolvers<void>> = [];
  return {
    batches,
    ends,
    run(batch: number[]): Promise<void> {
      batches.push(batch);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      return end.promise;
    },
  };
}

test("what is offered in one tick shares the first batch, and what comes during a run shares the next", async () => {
  const { batches, ends, run } = gatedRun();
  const offer = createBatcher({ max: 10, run });
  const first = [offer(1), offer(2)];
  await Promise.resolve();
  const second = [offer(3), offer(4), offer(5)];
  expect(batches).toEqual([[1, 2]]);
  ends[0]?.resolve();
  await Promise.all(first);
  expect(batches).toEqual([
    [1, 2],
    [3, 4, 5],
  ]);
  ends[1]?.resolve();
  await Promise.all(second);
});

test("a batch holds at most max items, in the order they were offered, and runs never overlap", async () => {
  let active = 0;
  const sizes: number[] = [];
  const seen: number[] = [];
  const offer = createBatcher<number>({
    max: 7,
    async run(batch) {
      expect(++active).toBe(1);
      await Promise.resolve();
      sizes.push(batch.length);
      seen.push(...batch);
      active--;
    },
  });
  const items = Array.from({ length: 100 }, (_, i) => i);
  await Promise.all(items.map(offer));
  expect(seen).toEqual(items);
  expect(Math.max(...sizes)).toBe(7);
});

test("a batch that fails rejects what waits behind it too, which must not overtake, but nothing before and nothing after", async () => {
  const offer = createBatcher<number>({
    max: 2,
    async run(batch) {
      if (batch.includes(3)) throw new Error(`no ${batch.join(" ")}`);
    },
  });
  const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map(offer));
  expect(outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.message : "done"))).toEqual([
    "done",
    "done",
    "no 3 4",
    "no 3 4",
    "no 3 4",
  ]);
  await offer(6);
});

test("it starts again after it was idle, also from within the settling of a batch", async () => {
  const seen: number[] = [];
  const offer = createBatcher<number>({
    max: 10,
    async run(batch) {
      seen.push(...batch);
    },
  });
  await offer(1);
  await offer(2).then(() => offer(3));
  expect(seen).toEqual([1, 2, 3]);
});

test("a run that throws instead of rejecting is a rejection too", async () => {
  const offer = createBatcher<number>({
    max: 1,
    run() {
      throw new Error("at once");
    },
  });
  await expect(offer(1)).rejects.toThrow("at once");
  await expect(offer(2)).rejects.toThrow("at once");
});
