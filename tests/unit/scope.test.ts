import { expect, test } from "bun:test";
import { silentLogger } from "../../src/core/log.ts";
import type { Logger } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import { until } from "../support/until.ts";

const scope = (log: Logger = silentLogger) => createScope("test", log);

test("cleanups run last first, each awaited, after the signal was aborted", async () => {
  const order: string[] = [];
  const owner = scope();
  owner.signal.addEventListener("abort", () => order.push("aborted"));
  owner.defer(() => void order.push("first"));
  owner.defer(async () => {
    await Bun.sleep(1);
    order.push("second");
  });
  owner.defer(() => void order.push("third"));
  await owner.end();
  expect(order).toEqual(["aborted", "third", "second", "first"]);
});

test("all cleanups run although some fail, and the failures are reported together", async () => {
  const order: string[] = [];
  const owner = scope();
  owner.defer(() => void order.push("reached"));
  owner.defer(() => Promise.reject(new Error("slow one")));
  owner.defer(() => {
    throw new Error("quick one");
  });
  const failure = await owner.end().catch((thrown: unknown) => thrown);
  expect(order).toEqual(["reached"]);
  expect(failure).toBeInstanceOf(AggregateError);
  expect((failure as AggregateError).errors.map((error: Error) => error.message)).toEqual(["quick one", "slow one"]);
});

test("a start that fails half-way is undone by ending what it had acquired", async () => {
  const held = new Set<string>();
  const acquire = (owner: ReturnType<typeof scope>, name: string) => {
    held.add(name);
    owner.defer(() => void held.delete(name));
  };
  const owner = scope();
  const start = async () => {
    acquire(owner, "socket");
    acquire(owner, "file");
    throw new Error("third step failed");
  };
  await start().catch(() => owner.end());
  expect(held).toEqual(new Set());
});

test("ending twice, and from two places at once, is one ending", async () => {
  let runs = 0;
  const owner = scope();
  owner.defer(async () => {
    await Bun.sleep(1);
    runs++;
  });
  await Promise.all([owner.end(), owner.end()]);
  await owner.end();
  expect(runs).toBe(1);
});

test("what is deferred after the end runs at once, and its failure is logged", async () => {
  const errors: string[] = [];
  const owner = scope({ ...silentLogger, error: (message, fields) => errors.push(`${message} ${JSON.stringify(fields)}`) });
  await owner.end();
  let ran = false;
  owner.defer(() => {
    ran = true;
  });
  expect(ran).toBe(true);
  owner.defer(() => Promise.reject(new Error("too late")));
  await until("the failure is logged", () => errors.some((line) => line.includes("too late")));
});

test("what is deferred by a cleanup while the scope ends still runs", async () => {
  const order: string[] = [];
  const owner = scope();
  owner.defer(() => {
    owner.defer(() => void order.push("late"));
    order.push("early");
  });
  await owner.end();
  expect(order).toEqual(["early", "late"]);
});

test("the undo of defer takes a cleanup back", async () => {
  let runs = 0;
  const owner = scope();
  const undo = owner.defer(() => void runs++);
  undo();
  undo();
  await owner.end();
  expect(runs).toBe(0);
});

test("every never overlaps itself, goes on after a failure, and the end waits for the run under way", async () => {
  let running = 0;
  let worst = 0;
  let runs = 0;
  const owner = scope();
  owner.every(1, async () => {
    runs++;
    worst = Math.max(worst, ++running);
    await Bun.sleep(4);
    running--;
    if (runs === 1) throw new Error("the first run fails");
  });
  await until("it ran again after a failure", () => runs >= 3 && running === 1);
  await owner.end();
  expect(running).toBe(0);
  expect(worst).toBe(1);
  const atEnd = runs;
  await Bun.sleep(20);
  expect(runs).toBe(atEnd);
});

test("every on a scope that has ended never runs, and its undo stops it before the end", async () => {
  let runs = 0;
  const ended = scope();
  await ended.end();
  ended.every(0, () => void runs++);
  const owner = scope();
  const undo = owner.every(0, () => void runs++);
  undo();
  await Bun.sleep(20);
  await owner.end();
  expect(runs).toBe(0);
});

test("a child ends with its parent, or before it, and is then forgotten", async () => {
  const order: string[] = [];
  const owner = scope();
  owner.defer(() => void order.push("parent"));
  const early = owner.child("early");
  early.defer(() => void order.push("early"));
  const late = owner.child("late");
  late.defer(() => void order.push("late"));
  expect(late.name).toBe("test/late");
  await early.end();
  await owner.end();
  expect(order).toEqual(["early", "late", "parent"]);
  expect(late.signal.aborted).toBe(true);

  const orphan = owner.child("orphan");
  expect(orphan.signal.aborted).toBe(true);
});
