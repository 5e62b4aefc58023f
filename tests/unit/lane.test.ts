import { expect, test } from "bun:test";
import { AttuneError } from "../../src/core/errors.ts";
import { createLane } from "../../src/core/events/lane.ts";
import type { Logger } from "../../src/core/plugin.ts";
import { until } from "../support/until.ts";

const open = new AbortController().signal;
const away = new AttuneError("DATABASE_UNAVAILABLE", "the database is away", { retryable: true });

function listener(): { log: Logger; told: string[] } {
  const told: string[] = [];
  const tell = (message: string) => void told.push(message);
  const log: Logger = { debug: tell, info: tell, warn: tell, error: tell, child: () => log };
  return { told, log };
}

test("items are handed on in the order they came, however long each takes to prepare", async () => {
  const lane = createLane("p.s", open, listener().log);
  const handed: number[] = [];
  const gates = [1, 2, 3, 4].map(() => Promise.withResolvers<void>());
  const passes = gates.map(({ promise }, n) =>
    lane.pass(
      async () => {
        await promise;
        if (n === 2) throw new Error("a filter failed");
        return n === 1 ? null : n;
      },
      async (item) => void handed.push(item),
    ),
  );
  const outcomes = Promise.allSettled(passes);
  gates[3]?.resolve();
  gates[2]?.resolve();
  gates[1]?.resolve();
  await Promise.resolve();
  expect(handed).toEqual([]);
  gates[0]?.resolve();
  expect((await outcomes).map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(handed).toEqual([0, 3]);
});

test("items that fail together are handed on again together, ahead of those that came later, and the log tells it once", async () => {
  const { log, told } = listener();
  const lane = createLane("p.s", open, log);
  const [offered, taken]: [number[], number[]] = [[], []];
  const answer = Promise.withResolvers<void>();
  let down = true;
  const pass = (n: number) =>
    lane.pass(
      () => n,
      async (item) => {
        offered.push(item);
        const fails = down;
        await answer.promise;
        if (fails) throw away;
        taken.push(item);
      },
    );
  const first = [1, 2, 3].map(pass);
  await until("they are on their way", () => offered.length === 3);
  answer.resolve();
  await until("it waits", () => told.length === 1);
  const later = [4, 5].map(pass);
  await until("it fails again", () => offered.length > 3);
  down = false;
  await Promise.all([...first, ...later]);
  expect(taken).toEqual([1, 2, 3, 4, 5]);
  expect(told).toEqual(["cannot take events now; the sensor waits, nothing is lost", "events are taken again"]);
});

test("one that can't be taken rejects alone", async () => {
  const lane = createLane("p.s", open, listener().log);
  const pass = (n: number) =>
    lane.pass(
      () => n,
      (item) => (item === 1 ? Promise.reject(new Error("not that")) : Promise.resolve()),
    );
  const outcomes = await Promise.allSettled([pass(1), pass(2)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
});

test("closing it ends the waiting at once and drops what waits", async () => {
  const controller = new AbortController();
  const lane = createLane("p.s", controller.signal, listener().log);
  const handed: number[] = [];
  const pass = (n: number) =>
    lane.pass(
      () => n,
      (item) => {
        handed.push(item);
        return Promise.reject(away);
      },
    );
  const passes = [1, 2].map(pass);
  await until("it waits", () => handed.length > 0);
  const behind = pass(3);
  controller.abort();
  await Promise.all([...passes, behind]);
  expect(handed).not.toContain(3);
});
