import { expect, test } from "bun:test";
import { settleAll } from "../../src/core/settle.ts";

test("waits for all before it rejects with the first failure in the list", async () => {
  let done = false;
  const slow = Bun.sleep(5).then(() => {
    done = true;
  });
  const failure = settleAll([slow, Promise.reject(new Error("first")), Promise.reject(new Error("second"))]);
  await expect(failure).rejects.toThrow("first");
  expect(done).toBe(true);
});

test("gives the values in order, those that are no promises too", async () => {
  expect(await settleAll([Promise.resolve(1), undefined, "x"] as const)).toEqual([1, undefined, "x"]);
});
