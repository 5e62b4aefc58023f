import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AttuneError } from "../../src/core/errors.ts";
import type { ExecutorOptions } from "../../src/core/executions/executor.ts";
import type { Sql, Storage } from "../../src/core/plugin.ts";
import { createPacks, createWork, smallPack, type TestDatabase, withPostgres } from "../support/engine.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database, server } = withPostgres();

interface Row {
  readonly status: string;
  readonly result: Record<string, unknown> | null;
  readonly exit_code: number | null;
  readonly error: string | null;
  readonly attempt: number;
  readonly owner: string | null;
}
async function row(sql: Sql, id: string): Promise<Row> {
  const { rows } = await sql.query<Row>("SELECT status, result, exit_code, error, attempt, owner FROM execution WHERE id = $1", [
    id,
  ]);
  return rows[0]!;
}
async function jobState(sql: Sql, id: string): Promise<string | undefined> {
  const { rows } = await sql.query<{ state: string }>("SELECT state FROM attune_boss.job WHERE id = $1", [id]);
  return rows[0]?.state;
}
const over = (sql: Sql, id: string) =>
  until("the execution is over", async () => !["scheduled", "running"].includes((await row(sql, id)).status));
async function output(sql: Sql, id: string) {
  const { rows } = await sql.query<{ stream: string; content: Buffer; total_bytes: number }>(
    "SELECT stream, content, total_bytes FROM execution_output WHERE execution_id = $1 ORDER BY stream",
    [id],
  );
  return rows;
}

async function working(script: string, action = "", options: Partial<ExecutorOptions> = {}) {
  const db = await database();
  const packs = await createPacks(db.storage);
  packs.write(smallPack(script, {}, action));
  await packs.reconciler.reload();
  const work = await createWork(db, packs, options);
  return {
    db,
    packs,
    ...work,
    async [Symbol.asyncDispose]() {
      await db[Symbol.asyncDispose]();
      packs[Symbol.dispose]();
    },
  };
}

test("a job runs its action once, and its end is stored with the job's", async () => {
  await using work = await working('echo "hello $ATTUNE_ACTION_NAME"; echo careful >&2');
  const id = await work.submit({ name: "world" });
  expect(await row(work.db.storage, id)).toMatchObject({ status: "scheduled", attempt: 0, owner: null });
  await work.executor.start();
  await over(work.db.storage, id);
  expect(await row(work.db.storage, id)).toMatchObject({
    status: "completed",
    exit_code: 0,
    error: null,
    attempt: 1,
    result: { exit_code: 0, succeeded: true, stdout: "hello world\n", stderr_log: "careful\n" },
  });
  expect(await jobState(work.db.storage, id)).toBe("completed");
  expect(work.changes.map(({ from, to }) => [from, to])).toEqual([
    ["scheduled", "running"],
    ["running", "completed"],
  ]);
});

test("claim, execution and job change in one transaction, before anything is started", async () => {
  await using work = await working("sleep 60");
  const id = await work.submit();
  let claimed: Awaited<ReturnType<typeof work.executor.claimWithin>> | undefined;
  const rolledBack = work.db.storage.transaction(async (tx) => {
    claimed = await work.executor.claimWithin(tx);
    expect(await row(tx, id)).toMatchObject({ status: "running", attempt: 1 });
    expect(await jobState(tx, id)).toBe("active");
    expect(work.executor.running).toBe(0);
    throw new Error("rolled back");
  });
  await expect(rolledBack).rejects.toThrow("rolled back");
  claimed?.settle(false);
  await until("it was run after all, by another claim", () => work.executor.running === 1);
  expect(await row(work.db.storage, id)).toMatchObject({ status: "running", attempt: 1 });
});

test("a job that comes while a claim keeps all free slots is taken at its end", async () => {
  await using work = await working("sleep 60");
  await work.submit();
  let claimed: Awaited<ReturnType<typeof work.executor.claimWithin>> | undefined;
  await work.db.storage.transaction(async (tx) => {
    claimed = await work.executor.claimWithin(tx);
    await work.submit();
    work.executor.wake();
  });
  claimed?.settle(true);
  await until("both run", () => work.executor.running === 2);
});

test("no more run at once than there are slots, and all get their turn", async () => {
  await using work = await working("sleep 0.02", "", { concurrency: 3 });
  const ids = await Promise.all(Array.from({ length: 20 }, () => work.submit()));
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, work.executor.running);
  }, 1);
  await work.executor.start();
  await until("all have run", async () => {
    const { rows } = await work.db.storage.query("SELECT 1 FROM execution WHERE status = 'completed'");
    return rows.length === ids.length;
  });
  clearInterval(watching);
  expect(most).toBe(3);
  const { rows } = await work.db.storage.query<{ attempt: number }>("SELECT DISTINCT attempt FROM execution");
  expect(rows).toEqual([{ attempt: 1 }]);
});

test("output is kept byte for byte, cut in the middle, and what PostgreSQL's text can't hold is replaced in the result", async () => {
  await using work = await working("printf 'a\\000\\377b'; printf 'x%.0s' $(seq 2000) >&2", "", { outputLimit: 1_000 });
  const id = await work.submit();
  await work.executor.start();
  await over(work.db.storage, id);
  const [stderr, stdout] = await output(work.db.storage, id);
  expect(stdout).toEqual({ stream: "stdout", content: Buffer.from([0x61, 0, 0xff, 0x62]), total_bytes: 4 });
  expect(stderr).toMatchObject({ total_bytes: 2_000 });
  expect(stderr?.content.toString()).toBe(`${"x".repeat(500)}\n[attune: 1000 bytes left out]\n${"x".repeat(500)}`);
  expect((await row(work.db.storage, id)).result).toMatchObject({ stdout: "a\uFFFD\uFFFDb", stderr_truncated: true });
});

test("NUL in a parsed result is replaced", async () => {
  await using work = await working(`printf '{"text":"a\\\\u0000b"}'`, "output_format: json\n");
  const id = await work.submit();
  await work.executor.start();
  await over(work.db.storage, id);
  expect((await row(work.db.storage, id)).result?.["data"]).toEqual({ text: "a\uFFFDb" });
});

test("a timeout ends the whole group and is its own status", async () => {
  await using work = await working("sleep 60 & echo $!; wait", "timeout_seconds: 1\n");
  const id = await work.submit();
  await work.executor.start();
  await over(work.db.storage, id);
  const stored = await row(work.db.storage, id);
  expect(stored).toMatchObject({ status: "timeout", exit_code: -1, error: "Execution timed out after 1 seconds" });
  expect(isRunning(Number(stored.result?.["stdout"]))).toBe(false);
});

test.each([
  ["exit 3", { status: "failed", exit_code: 3, error: "Command exited with code 3" }],
  ["kill -KILL $$", { status: "failed", exit_code: -1, error: "ended by SIGKILL" }],
])("%s is a failure", async (script, expected) => {
  await using work = await working(script);
  const id = await work.submit();
  await work.executor.start();
  await over(work.db.storage, id);
  expect(await row(work.db.storage, id)).toMatchObject(expected);
});

test("what a dead daemon was running is abandoned and not run again; what it left waiting runs", async () => {
  await using work = await working("echo ran");
  const [lost, waiting] = [await work.submit(), await work.submit()];
  await work.db.storage.query("UPDATE execution SET status = 'running', owner = $2, started = now(), attempt = 1 WHERE id = $1", [
    lost,
    crypto.randomUUID(),
  ]);
  await work.executor.start();
  await over(work.db.storage, waiting);
  expect(await row(work.db.storage, lost)).toMatchObject({
    status: "abandoned",
    attempt: 1,
    result: null,
    error: "the daemon that ran it ended",
  });
  expect(await jobState(work.db.storage, lost)).toBe("completed");
  expect((await row(work.db.storage, waiting)).status).toBe("completed");
});

test("what was cancelled while it waited is not run", async () => {
  await using work = await working("echo ran");
  const id = await work.submit();
  await work.db.storage.query("UPDATE execution SET status = 'cancelled', finished = now() WHERE id = $1", [id]);
  await work.executor.start();
  await until("its job is over", async () => (await jobState(work.db.storage, id)) === "completed");
  expect(await row(work.db.storage, id)).toMatchObject({ status: "cancelled", attempt: 0 });
});

test("an action that vanished, or whose runtime is missing, fails with the reason", async () => {
  await using work = await working("echo ran");
  const registry = work.packs.reconciler.registry;
  const missing = { ...registry, runtimes: new Map() };
  const fails = async (options: Partial<ExecutorOptions>) => {
    const other = await createWork(work.db, work.packs, options);
    const id = await other.submit();
    await other.executor.start();
    await over(work.db.storage, id);
    await other.executor.stop(0);
    return (await row(work.db.storage, id)).error;
  };
  expect(await fails({ registry: () => missing })).toBe("runtime unavailable: nothing provides core.shell");
  expect(await fails({ version: () => undefined })).toBe("there is no action p.a any more");
});

test("stopping lets short ones finish and ends long ones as abandoned", async () => {
  await using work = await working('sleep "$ATTUNE_ACTION_SECONDS"; echo done');
  const [short, long] = [await work.submit({ seconds: 0.3 }), await work.submit({ seconds: 60 })];
  await work.executor.start();
  await until("both run", () => work.executor.running === 2);
  await work.executor.stop(1_000);
  expect((await row(work.db.storage, short)).status).toBe("completed");
  expect(await row(work.db.storage, long)).toMatchObject({ status: "abandoned", error: "the daemon was stopped" });
  const late = await work.submit({ seconds: 0 });
  work.executor.wake();
  expect((await row(work.db.storage, late)).status).toBe("scheduled");
});

test("what was claimed together with a result while it was being stopped is run to its end", async () => {
  const db = await database();
  await using _closing = db;
  using packs = await createPacks(db.storage);
  packs.write(smallPack("sleep 0.1"));
  await packs.reconciler.reload();
  const heard = Promise.withResolvers<void>();
  let holds = false;
  const storage: Storage = {
    ...db.storage,
    async transaction(run) {
      const result = await db.storage.transaction(run);
      if (holds) await heard.promise;
      return result;
    },
  };
  const work = await createWork(db, packs, { storage, concurrency: 1 });
  const ids = [await work.submit(), await work.submit()];
  await work.executor.start();
  await until("the first one runs", () => work.executor.running === 1);
  holds = true;
  await until("its end is stored and the other one is claimed", async () => {
    const all = await Promise.all(ids.map((id) => row(db.storage, id)));
    return all.some(({ status }) => status === "completed") && all.some(({ status }) => status === "running");
  });
  const stopped = work.executor.stop(10_000);
  heard.resolve();
  await stopped;
  const ends = await Promise.all(ids.map(async (id) => (await row(db.storage, id)).status));
  expect(ends).toEqual(["completed", "completed"]);
});

/** A storage whose transactions do their work but, as often as told, break in the moment they should say so. */
function breaking(storage: Storage, isStart: (tx: Sql) => Promise<boolean>, times: number): Storage {
  let left = times;
  return {
    ...storage,
    async transaction(run) {
      let counts = false;
      const result = await storage.transaction(async (tx) => {
        const value = await run(tx);
        counts = left > 0 && (await isStart(tx));
        return value;
      });
      if (!counts) return result;
      left--;
      throw new AttuneError("DATABASE_UNAVAILABLE", "the connection was lost while committing", { retryable: true });
    },
  };
}

test("what was claimed in a commit nobody heard of is run, once", async () => {
  const db: TestDatabase = await database();
  await using _closing = db;
  using packs = await createPacks(db.storage);
  packs.write(smallPack('echo x >> "$ATTUNE_ACTION_FILE"'));
  await packs.reconciler.reload();
  const hasRunning = async (tx: Sql) => (await tx.query("SELECT 1 FROM execution WHERE status = 'running'")).rowCount > 0;
  const work = await createWork(db, packs, { storage: breaking(db.storage, hasRunning, 1) });
  const file = join(packs.dir, "runs");
  const id = await work.submit({ file });
  await work.executor.start();
  await until("the claim was committed", async () => (await row(db.storage, id)).status === "running");
  expect(existsSync(file)).toBe(false);
  work.executor.wake();
  await over(db.storage, id);
  expect(readFileSync(file, "utf8")).toBe("x\n");
  expect(await row(db.storage, id)).toMatchObject({ status: "completed", attempt: 1 });
});

test("a result the database refuses is stored without its output, and its neighbours are untouched", async () => {
  await using work = await working('sleep 0.1; echo "$ATTUNE_ACTION_SAY"');
  await work.db.storage.query(
    "ALTER TABLE execution ADD CONSTRAINT no_poison CHECK (result IS NULL OR result->>'stdout' IS DISTINCT FROM E'poison\\n')",
  );
  const ids = await Promise.all(["one", "poison", "three"].map((say) => work.submit({ say })));
  await work.executor.start();
  for (const id of ids) await over(work.db.storage, id);
  const [one, poison, three] = await Promise.all(ids.map((id) => row(work.db.storage, id)));
  expect(one).toMatchObject({ status: "completed", result: { stdout: "one\n" } });
  expect(three).toMatchObject({ status: "completed", result: { stdout: "three\n" } });
  expect(poison).toMatchObject({
    status: "completed",
    error: expect.stringMatching(/^the result could not be stored: .*no_poison/),
  });
});

test("the database is killed while actions run: their results are stored when it is back", async () => {
  await using work = await working(
    'until [ -e "$ATTUNE_ACTION_GO" ]; do sleep 0.01; done; echo done; touch "$ATTUNE_ACTION_ENDED"',
  );
  const go = join(work.packs.dir, "go");
  const ended = ["one", "two"].map((name) => join(work.packs.dir, name));
  const ids = await Promise.all(ended.map((file) => work.submit({ go, ended: file })));
  await work.executor.start();
  await until("both run", () => work.executor.running === 2);
  await server().kill9();
  writeFileSync(go, "");
  await until("both have ended", () => ended.every((file) => existsSync(file)));
  await server().restart();
  for (const id of ids) {
    await over(work.db.storage, id);
    expect(await row(work.db.storage, id)).toMatchObject({ status: "completed", attempt: 1, result: { stdout: "done\n" } });
  }
});

test("stopping does not wait for ever for a database that is away", async () => {
  const db = await database();
  using packs = await createPacks(db.storage);
  packs.write(smallPack("sleep 0.2"));
  await packs.reconciler.reload();
  let away = false;
  const storage: Storage = {
    ...db.storage,
    transaction: (run) =>
      away ? Promise.reject(new AttuneError("DATABASE_UNAVAILABLE", "away", { retryable: true })) : db.storage.transaction(run),
  };
  const { executor, submit } = await createWork(db, packs, { storage });
  const id = await submit();
  await executor.start();
  await until("it runs", () => executor.running === 1);
  away = true;
  const began = performance.now();
  await executor.stop(0);
  expect(performance.now() - began).toBeLessThan(8_000);
  expect((await row(db.storage, id)).status).toBe("running");
  await db[Symbol.asyncDispose]();
});

test("an execution costs the database as much as the one before it, also before the first analyze", async () => {
  await using work = await working("exit 0");
  const { storage } = work.db;
  const count = 400;
  await Promise.all(Array.from({ length: count }, () => work.submit()));
  await work.executor.start();
  await until("all are over", () => work.changes.filter(({ to }) => to === "completed").length === count);
  // A session hands its counts over when it has been idle for a while, or works again.
  const reads = await until("all is counted", async () => {
    const { rows } = await storage.query<{ updates: number; reads: number }>(
      `SELECT sum(n_tup_upd)::int AS updates, sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int AS reads
       FROM pg_stat_user_tables WHERE relid IN ('execution'::regclass, 'attune_boss.job_common'::regclass)`,
    );
    return (rows[0]?.updates ?? 0) >= 4 * count && rows[0]?.reads;
  });
  expect(reads / count).toBeLessThan(20);
});
