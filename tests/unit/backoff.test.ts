import { expect, test } from "bun:test";
import { failedRuns, restartDelay, sensorRestarts } from "../../src/core/processes/backoff.ts";

test("the wait doubles with each failed run up to the maximum, and is drawn from all of it", () => {
  const ceilings = [1, 2, 3, 7, 8, 10_000].map((failed) => restartDelay(sensorRestarts, failed, 1));
  expect(ceilings).toEqual([1_000, 2_000, 4_000, 60_000, 60_000, 60_000]);
  expect(restartDelay(sensorRestarts, 3, 0)).toBe(0);
  expect(restartDelay(sensorRestarts, 3, 0.5)).toBe(2_000);
});

test("a run that was healthy for long enough makes the next wait a first one", () => {
  expect(failedRuns(sensorRestarts, 0, 10)).toBe(1);
  expect(failedRuns(sensorRestarts, 5, 59_999)).toBe(6);
  expect(failedRuns(sensorRestarts, 5, 60_000)).toBe(1);
});
