import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { tmpdir } from "node:os";
import { PgBoss } from "pg-boss";
import { loadAssets } from "../../src/assets.ts";
import { pgBossDatabase } from "../../src/core/executions/queue.ts";
import { holdLease } from "../../src/core/lease.ts";
import { silentLogger } from "../../src/core/log.ts";
import { migrate } from "../../src/core/migrate.ts";
import type { Storage } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import { postgres } from "../../src/plugins/storage/postgres/index.ts";
import { type TestDatabase, withPostgres } from "../support/engine.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database, server } = withPostgres();

async function emptyDatabase(): Promise<TestDatabase> {
  const url = await server().createDatabase();
  const scope = createScope("test", silentLogger);
  const storage = await postgres({ url }).open({ scope, log: silentLogger, dataDir: tmpdir(), projectDir: tmpdir() });
  return { storage, scope, url, [Symbol.asyncDispose]: () => scope.end() };
}
async function versions(storage: Storage) {
  return (
    await storage.query<{ version: number; name: string }>("SELECT version, name FROM attune.schema_version ORDER BY version")
  ).rows;
}
const step = (name: string, sql: string) => ({ name, sql });

describe("migrations", () => {
  test("bring an empty database to the newest version, once, also when two daemons start together", async () => {
    await using db = await emptyDatabase();
    const { migrations } = loadAssets();
    await Promise.all([migrate(db.storage, migrations, silentLogger), migrate(db.storage, migrations, silentLogger)]);
    const expected = migrations.map(({ name }, i) => ({ version: i + 1, name }));
    expect(await versions(db.storage)).toEqual(expected);
    await migrate(db.storage, migrations, silentLogger);
    expect(await versions(db.storage)).toEqual(expected);
  });

  test("only those that are missing run, all of them or none", async () => {
    await using db = await emptyDatabase();
    const one = step("0001", "CREATE TABLE a (x int)");
    const two = step("0002", "ALTER TABLE a ADD y int; INSERT INTO a VALUES (1, 2)");
    await migrate(db.storage, [one], silentLogger);
    await expect(migrate(db.storage, [one, two, step("0003", "SELECT no_such_function()")], silentLogger)).rejects.toThrow();
    expect(await versions(db.storage)).toEqual([{ version: 1, name: "0001" }]);
    await migrate(db.storage, [one, two], silentLogger);
    expect((await db.storage.query("SELECT x, y FROM a")).rows).toEqual([{ x: 1, y: 2 }]);
  });

  test("a database migrated by a newer attune is refused and left as it is", async () => {
    await using db = await emptyDatabase();
    const steps = [step("0001", "CREATE TABLE a (x int)"), step("0002", "CREATE TABLE b (x int)")];
    await migrate(db.storage, steps, silentLogger);
    await expect(migrate(db.storage, steps.slice(0, 1), silentLogger)).rejects.toMatchObject({
      code: "DATABASE_NEWER",
      message: "the database has schema version 2; this attune knows versions up to 1",
    });
    expect(await versions(db.storage)).toHaveLength(2);
  });
});

describe("the lease of a database", () => {
  const home = crypto.randomUUID();
  const hold = async (db: TestDatabase, options: Partial<Parameters<typeof holdLease>[2]> = {}) => {
    const scope = createScope("holder", silentLogger);
    await holdLease(db.storage, scope, {
      owner: crypto.randomUUID(),
      home: crypto.randomUUID(),
      lost() {},
      reachable() {},
      ...options,
    });
    return scope;
  };
  const expiry = async (db: TestDatabase) =>
    (await db.storage.query<{ expires_at: Date }>("SELECT expires_at FROM lease")).rows[0]?.expires_at.getTime();

  test("is held by one daemon, whose holder the second is told, until it is given back", async () => {
    await using db = await database();
    const first = await hold(db);
    await expect(hold(db)).rejects.toMatchObject({
      code: "DATABASE_LOCKED",
      message: expect.stringContaining(`pid ${process.pid} on `),
      hint: expect.stringMatching(/its lease ends in 1[45] s/),
    });
    await first.end();
    await (await hold(db)).end();
  });

  test("is given to one of many that ask at once", async () => {
    await using db = await database();
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => hold(db)));
    const held = asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(held).toHaveLength(1);
    await held[0]?.end();
  });

  test("is taken over when it ran out, and at once by the next start on the same data directory", async () => {
    await using db = await database();
    const first = await hold(db, { home });
    await (await hold(db, { home })).end();
    await first.end();
    const dead = await hold(db);
    await db.storage.query("UPDATE lease SET expires_at = now() - interval '1 second'");
    const next = await hold(db);
    await dead.end();
    // The dead one's late good-bye does not take away what is no longer its own.
    expect((await db.storage.query("SELECT 1 FROM lease")).rowCount).toBe(1);
    await next.end();
  });

  test("is renewed while it is held, and losing it is told", async () => {
    await using kept = await database();
    await using stolen = await database();
    const lost: string[] = [];
    const answers: boolean[] = [];
    const holders = [
      await hold(kept, { reachable: (is) => void answers.push(is) }),
      await hold(stolen, { lost: (error) => void lost.push(error.message) }),
    ];
    const taken = (await expiry(kept)) ?? 0;
    await stolen.storage.query("UPDATE lease SET owner = $1", [crypto.randomUUID()]);
    await until("the loss is told", () => lost.length > 0);
    expect(lost).toEqual(["another attune daemon took this database over"]);
    await until("the other is renewed", async () => ((await expiry(kept)) ?? 0) > taken);
    expect(new Set(answers)).toEqual(new Set([true]));
    await Promise.all(holders.map((scope) => scope.end()));
  });
});

test("the upkeep of the job queue runs: jobs that ended long ago are removed", async () => {
  await using db = await emptyDatabase();
  const boss = new PgBoss({ schema: "attune_boss", db: pgBossDatabase(db.storage), schedule: false, supervise: false });
  await boss.start();
  db.scope.defer(() => boss.stop({ graceful: false }));
  await boss.createQueue("execution", { deleteAfterSeconds: 60 });
  const [old, recent] = [crypto.randomUUID(), crypto.randomUUID()];
  await boss.insert("execution", [{ id: old }, { id: recent }]);
  await boss.fetch("execution", { batchSize: 2 });
  await boss.complete("execution", [old, recent]);
  await db.storage.query("UPDATE attune_boss.job SET completed_on = now() - interval '1 hour' WHERE id = $1", [old]);
  await boss.supervise("execution");
  expect((await db.storage.query<{ id: string }>("SELECT id FROM attune_boss.job")).rows).toEqual([{ id: recent }]);
});
