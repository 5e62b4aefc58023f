import { expect, setDefaultTimeout, test } from "bun:test";
import { createHeld } from "../../src/core/engine/held.ts";
import { insertManual } from "../../src/core/executions/store.ts";
import { newId } from "../../src/core/ids.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { Sql } from "../../src/core/plugin.ts";
import { requireAction } from "../../src/core/registry.ts";
import { createPacks, createWork, smallPack, withPostgres } from "../support/engine.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const { database } = withPostgres();

async function engine() {
  const db = await database();
  const packs = await createPacks(db.storage);
  packs.write(smallPack("echo done"));
  await packs.reconciler.reload();
  const { queue, executor } = await createWork(db, packs);
  const action = requireAction(packs.reconciler.registry, "p.a");
  let waits = true;
  const held = createHeld({
    ...{ storage: db.storage, queue, log: silentLogger },
    mustWait: () => waits,
    action: (ref) => (ref === "p.a" ? action : undefined),
    expireInSeconds: () => 60,
    wake: () => executor.wake(),
  });
  const insert = async (tx: Sql, ref = "p.a") => {
    const id = newId();
    await insertManual(tx, { id, action: ref, parameters: {}, snapshot: null });
    await held.enqueue(tx, [{ id, action }]).done;
    return id;
  };
  return {
    db,
    queue,
    executor,
    held,
    insert,
    become: (now: boolean) => {
      waits = now;
    },
    status: async (id: string) =>
      (await db.storage.query<{ status: string }>("SELECT status FROM execution WHERE id = $1", [id])).rows[0]?.status,
    async [Symbol.asyncDispose]() {
      await executor.stop(0);
      packs[Symbol.dispose]();
      await db[Symbol.asyncDispose]();
    },
  };
}

test("what has to wait has no job until it need not wait any more, and then exactly one", async () => {
  await using e = await engine();
  await e.executor.start();
  const id = await e.db.storage.transaction((tx) => e.insert(tx));
  await e.held.release();
  expect(await e.db.storage.transaction((tx) => e.queue.withoutJob(tx))).toEqual([{ id, action: "p.a" }]);
  expect(await e.status(id)).toBe("scheduled");
  e.become(false);
  await Promise.all([e.held.release(), e.held.release()]);
  await until("it has run", async () => (await e.status(id)) === "completed");
  expect(await e.db.storage.transaction((tx) => e.queue.withoutJob(tx))).toEqual([]);
  const { rows } = await e.db.storage.query("SELECT attempt FROM execution WHERE id = $1", [id]);
  expect(rows).toEqual([{ attempt: 1 }]);
});

test("what was made to wait, and committed only after the others were released, is released too", async () => {
  await using e = await engine();
  await e.executor.start();
  let transaction: Sql | undefined;
  const id = await e.db.storage.transaction(async (tx) => {
    transaction = tx;
    const inserted = await e.insert(tx);
    e.become(false);
    e.held.changed();
    await e.held.release();
    return inserted;
  });
  expect(await e.status(id)).toBe("scheduled");
  if (transaction) e.held.settled(transaction);
  await until("it has run", async () => (await e.status(id)) === "completed");
});

test("what can go at once gets its job in the same transaction", async () => {
  await using e = await engine();
  e.become(false);
  await e.db.storage.transaction(async (tx) => {
    await e.insert(tx);
    expect(await e.queue.withoutJob(tx)).toEqual([]);
  });
});
