import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createBatcher } from "../../src/core/batches.ts";
import { AttuneError } from "../../src/core/errors.ts";
import type { HandlerOptions } from "../../src/core/events/handle.ts";
import { createIngest, type IngestOptions } from "../../src/core/events/ingest.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { Enforcement, EventMessage, ExecutionPlan, Sql, Storage, Transport } from "../../src/core/plugin.ts";
import { allSensors, type Sensor } from "../../src/core/registry.ts";
import { createHandler, createPacks, createWork, eventOf, smallPack, withPostgres } from "../support/engine.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database, server } = withPostgres();

const parameters = "parameters:\n  n: {type: integer}\n  who: {type: string, default: world}\n";
const rules = {
  all: "action_params: {n: '{{ event.payload.n }}'}\n",
  big: "when: event.payload.n > 10\naction_params: {n: '{{ event.payload.n }}'}\n",
  bad: "action_params: {n: not a number}\n",
};
const sensorFiles = {
  "p/sensors/s.yaml": "ref: p.s\nrunner_type: shell\nentry_point: s.sh\ntrigger_types: [p.t]\n",
  "p/sensors/s.sh": "#!/bin/sh\n",
};

async function engine(options: Partial<HandlerOptions> = {}, given: Record<string, string> = rules) {
  const db = await database();
  const packs = await createPacks(db.storage);
  packs.write({ ...smallPack("true", given, parameters), ...sensorFiles });
  await packs.reconciler.reload();
  const work = await createWork(db, packs);
  const sensor = [...allSensors(packs.reconciler.registry)].find(({ ref }) => ref === "p.s");
  const handle = createHandler(db, packs, work, options);
  return {
    ...work,
    db,
    packs,
    handle,
    sensor: sensor as Sensor,
    ruleId: (ref: string) => packs.reconciler.registry.rules.get(ref)?.id ?? 0,
    async [Symbol.asyncDispose]() {
      await db[Symbol.asyncDispose]();
      packs[Symbol.dispose]();
    },
  };
}
async function count(sql: Sql, table: string): Promise<number> {
  return (await sql.query(`SELECT 1 FROM ${table}`)).rowCount;
}
async function counts(sql: Sql) {
  const tables = ["event", "enforcement", "execution", "attune_boss.job", "rejected_event"];
  return Object.fromEntries(await Promise.all(tables.map(async (table) => [table, await count(sql, table)])));
}

describe("handling", () => {
  test("each rule's verdict is recorded, with the reason of the one that did not fire", async () => {
    await using e = await engine();
    const event = eventOf({ n: 5 });
    await e.handle([event]);
    const { rows } = await e.db.storage.query<{ rule_ref: string; status: string; reason: string | null; parameters: unknown }>(
      `SELECT f.rule_ref, f.status, f.reason, x.parameters FROM enforcement f LEFT JOIN execution x ON x.enforcement_id = f.id
       WHERE f.event_id = $1 ORDER BY f.rule_ref`,
      [event.id],
    );
    expect(rows).toEqual([
      { rule_ref: "p.all", status: "fired", reason: null, parameters: { n: 5, who: "world" } },
      { rule_ref: "p.bad", status: "failed", reason: expect.stringContaining("n"), parameters: null },
      { rule_ref: "p.big", status: "unmatched", reason: expect.stringContaining("event.payload.n > 10"), parameters: null },
    ]);
  });

  test("plugins may change or refuse an execution before it is recorded, and are told of each verdict", async () => {
    const told: Enforcement[] = [];
    const plans: Record<string, (plan: ExecutionPlan) => ExecutionPlan> = {
      changed: (plan) => ({ ...plan, parameters: { ...plan.parameters, who: "plugin" } }),
      invalid: (plan) => ({ ...plan, parameters: { n: "not a number" } }),
      thrown: () => {
        throw new Error("no");
      },
    };
    await using e = await engine(
      {
        plan: () => async (plan, check) => check((plans[plan.rule?.slice(2) ?? ""]?.(plan) ?? plan).parameters),
        enforced: () => (one) => told.push(one),
      },
      Object.fromEntries(Object.keys(plans).map((name) => [name, "action_params: {n: 1}\n"])),
    );
    const event = eventOf({ n: 5 });
    await e.handle([event]);
    const verdict = (rule: string, status: string, reason: unknown) => ({
      ...{ id: expect.any(String), event: event.id, rule, trigger: "p.t" },
      ...{ status, reason },
    });
    expect(told.toSorted((a, b) => (a.rule < b.rule ? -1 : 1))).toEqual([
      verdict("p.changed", "fired", null),
      verdict("p.invalid", "failed", expect.stringContaining("n")),
      verdict("p.thrown", "failed", "no"),
    ] as Enforcement[]);
    const { rows } = await e.db.storage.query("SELECT id, parameters FROM execution");
    expect(rows).toEqual([{ id: expect.any(String), parameters: { n: 1, who: "plugin" } }]);
  });

  test("an event handed over again, alone, in a batch or many times at once, changes nothing", async () => {
    await using e = await engine();
    const events = [eventOf({ n: 5 }), eventOf({ n: 50 })];
    await e.handle([events[0]!, events[0]!, events[1]!]);
    await until(
      "its executions are over",
      async () => (await e.db.storage.query("SELECT 1 FROM execution WHERE finished IS NULL")).rowCount === 0,
    );
    const before = await counts(e.db.storage);
    expect(before).toEqual({ event: 2, enforcement: 6, execution: 3, "attune_boss.job": 3, rejected_event: 0 });
    await e.handle(events);
    await Promise.all(Array.from({ length: 8 }, () => e.handle(events)));
    expect(await counts(e.db.storage)).toEqual(before);
  });

  test("with a free slot an execution is stored as running, and its job is never taken by another", async () => {
    await using e = await engine({}, { all: rules.all });
    const event = eventOf({ n: 1 });
    const look = async (sql: Sql) =>
      (
        await sql.query(
          `SELECT x.status, x.attempt, x.owner, j.state, j.start_after > now() AS later
           FROM execution x JOIN attune_boss.job j ON j.id = x.id WHERE x.event_id = $1`,
          [event.id],
        )
      ).rows;
    const stored: unknown[] = [];
    const storage: Storage = {
      ...e.db.storage,
      transaction: (run) =>
        e.db.storage.transaction(async (tx) => {
          const result = await run(tx);
          stored.push(...(await look(tx)));
          return result;
        }),
    };
    await createHandler(e.db, e.packs, e, { storage })([event]);
    expect(stored).toEqual([{ status: "running", attempt: 1, owner: e.owner, state: "created", later: true }]);
    await until("it is over", async () => (await look(e.db.storage))[0]?.["status"] === "completed");
    expect(await look(e.db.storage)).toMatchObject([{ attempt: 1, state: "completed" }]);
  });

  test("what was stored as running in a commit nobody heard of is run, once", async () => {
    await using e = await engine({}, { all: rules.all });
    let lost = false;
    const storage: Storage = {
      ...e.db.storage,
      async transaction(run) {
        const result = await e.db.storage.transaction(run);
        if (lost) return result;
        lost = true;
        throw new AttuneError("DATABASE_UNAVAILABLE", "the connection was lost while committing", { retryable: true });
      },
    };
    const handle = createHandler(e.db, e.packs, e, { storage });
    const event = eventOf({ n: 1 });
    await expect(handle([event])).rejects.toMatchObject({ retryable: true });
    await handle([event]);
    // Told after it is stored.
    await until("it is over", () => e.changes.length > 1);
    expect(e.changes.map(({ to }) => to)).toEqual(["running", "completed"]);
    expect((await e.db.storage.query("SELECT attempt FROM execution")).rows).toEqual([{ attempt: 1 }]);
  });

  test("what is committed only after the connection was given up is run, once", async () => {
    await using e = await engine({}, { all: rules.all });
    await e.executor.start();
    const completed = async () => (await e.db.storage.query("SELECT id FROM execution WHERE status = 'completed'")).rows;
    const over = (id: string) => until("it is over", async () => (await completed()).some((row) => row["id"] === id));
    // Once it has looked for jobs, it keeps slots free for what comes.
    const first = await e.submit({ n: 0 });
    e.executor.wake();
    await over(first);
    const gate = Promise.withResolvers<void>();
    let committing: Promise<unknown> | undefined;
    const storage: Storage = {
      ...e.db.storage,
      async transaction(run) {
        const stored = Promise.withResolvers<unknown>();
        committing = e.db.storage.transaction(async (tx) => {
          const result = await run(tx);
          const { rows } = await tx.query("SELECT status FROM execution WHERE event_id IS NOT NULL");
          stored.resolve(rows);
          await gate.promise;
          return result;
        });
        expect(await stored.promise).toEqual([{ status: "running" }]);
        throw new AttuneError("DATABASE_UNAVAILABLE", "the connection was lost while committing", { retryable: true });
      },
    };
    await expect(createHandler(e.db, e.packs, e, { storage })([eventOf({ n: 1 })])).rejects.toMatchObject({ retryable: true });
    // Answered although the transaction is open: the executor has looked and found nothing.
    const second = await e.submit({ n: 2 });
    e.executor.wake();
    await over(second);
    gate.resolve();
    await committing;
    await until("it is over", () => e.changes.length > 5, { timeout: 15_000 });
    expect(e.changes.map(({ to }) => to)).toEqual(["running", "completed", "running", "completed", "running", "completed"]);
  });

  test("replays that race with the first delivery make one execution for each event and rule", async () => {
    await using e = await engine();
    const events = Array.from({ length: 20 }, (_, n) => eventOf({ n }));
    await Promise.all(Array.from({ length: 6 }, (_, i) => e.handle(i % 2 ? events : events.toReversed())));
    expect(await counts(e.db.storage)).toEqual({
      event: 20,
      enforcement: 60,
      execution: 29,
      "attune_boss.job": 29,
      rejected_event: 0,
    });
    await until(
      "each has run",
      async () => (await e.db.storage.query("SELECT 1 FROM execution WHERE status = 'completed'")).rowCount === 29,
    );
    const { rows } = await e.db.storage.query("SELECT DISTINCT attempt FROM execution");
    expect(rows).toEqual([{ attempt: 1 }]);
  });

  test("an event the database can't take is put aside, and the rest of its batch is stored", async () => {
    await using e = await engine();
    const poison = eventOf({ n: 1 }, { at: "the day before yesterday" });
    const stranger = eventOf({ n: 1 }, { sensor: "no.such_sensor" });
    await e.handle([eventOf({ n: 1 }), poison, eventOf({ n: 2 }), stranger]);
    expect(await counts(e.db.storage)).toMatchObject({ event: 2, rejected_event: 2 });
    const { rows } = await e.db.storage.query("SELECT source, excerpt, reason FROM rejected_event ORDER BY id");
    expect(rows).toEqual([
      { source: "api", excerpt: expect.stringContaining(poison.id), reason: expect.stringContaining("the day before yesterday") },
      { source: "no.such_sensor", excerpt: expect.stringContaining(stranger.id), reason: expect.stringContaining("sensor") },
    ]);
  });

  test("an event of a trigger that is gone is put aside with the reason", async () => {
    await using e = await engine();
    await e.handle([eventOf({ n: 1 }, { trigger: "p.gone" }), eventOf({ n: 2 })]);
    expect(await counts(e.db.storage)).toMatchObject({ event: 1, rejected_event: 1 });
    const { rows } = await e.db.storage.query("SELECT reason FROM rejected_event");
    expect(rows).toEqual([{ reason: "there is no trigger p.gone" }]);
  });

  test("an event for one rule is judged by that rule only, and by none when the rule is off", async () => {
    await using e = await engine();
    await e.handle([eventOf({ n: 50 }, { rule: "p.big" })]);
    expect(await counts(e.db.storage)).toMatchObject({ event: 1, enforcement: 1, execution: 1 });
    await e.handle([eventOf({ n: 50 }, { rule: "p.no_such_rule" })]);
    expect(await counts(e.db.storage)).toMatchObject({ event: 2, enforcement: 1, execution: 1 });
  });

  test("NUL and half characters in a payload are stored as replacement characters", async () => {
    await using e = await engine();
    await e.handle([eventOf({ n: 1, text: "a\0b\uD800" })]);
    const { rows } = await e.db.storage.query("SELECT payload FROM event");
    expect(rows).toEqual([{ payload: { n: 1, text: "a\uFFFDb\uFFFD" } }]);
  });

  test("a checkpoint is stored with its event or not at all, and a replay does not turn it back", async () => {
    await using e = await engine();
    const checkpoint = async () => (await e.db.storage.query("SELECT rule_id, sensor_ref, state FROM checkpoint")).rows;
    const at = (n: number, more: Partial<EventMessage> = {}) =>
      eventOf({ n }, { sensor: "p.s", rule: "p.all", checkpoint: { n }, ...more });
    const [first, second] = [at(1), at(2)];
    await e.handle([first, second]);
    const stored = [{ rule_id: e.ruleId("p.all"), sensor_ref: "p.s", state: { n: 2 } }];
    expect(await checkpoint()).toEqual(stored);
    await e.handle([first]);
    await e.handle([at(3, { at: "never" })]);
    await e.handle([at(4, { rule: null })]);
    expect(await checkpoint()).toEqual(stored);
  });

  test("the slots claimed for an event whose transaction fails are given back", async () => {
    let fail = true;
    await using e = await engine({
      enqueue(tx, executions) {
        const jobs = executions.map(({ id }) => ({ id, expireInSeconds: 60 }));
        const { sent, done } = e.queue.enqueue(tx, jobs);
        if (!fail) return { sent, done };
        const end = tx.query("SELECT pg_terminate_backend(pg_backend_pid())");
        return { sent, done: Promise.all([done, end]).then(() => {}) };
      },
    });
    const event = eventOf({ n: 1 });
    for (let i = 0; i < 6; i++) await expect(e.handle([event])).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    expect(await counts(e.db.storage)).toMatchObject({ event: 0, execution: 0, rejected_event: 0 });
    expect(e.changes).toEqual([]);
    fail = false;
    await e.handle([event]);
    await until(
      "it has run",
      async () => (await e.db.storage.query("SELECT 1 FROM execution WHERE status = 'completed'")).rowCount === 1,
    );
  });
});

describe("ingest", () => {
  async function ingesting(transport: Partial<Transport> = {}, more: Partial<IngestOptions> = {}) {
    const e = await engine();
    const direct: EventMessage[] = [];
    const published: EventMessage[] = [];
    const ingest = createIngest({
      registry: () => e.packs.reconciler.registry,
      transport: {
        description: "test",
        publish: async (event) => {
          published.push(event);
          await e.handle([event]);
        },
        subscribe: async () => ({ [Symbol.asyncDispose]: async () => {} }),
        ...transport,
      },
      handle: createBatcher<EventMessage>({
        max: 64,
        run: async (batch) => {
          direct.push(...batch);
          await e.handle(batch);
        },
      }),
      filter: (event) => event,
      storage: e.db.storage,
      log: silentLogger,
      ...more,
    });
    /** Lines of one start of the sensor. */
    const start = (signal = new AbortController().signal) => {
      const take = ingest.lines(e.sensor, signal);
      return (value: object | string) => take(typeof value === "string" ? value : JSON.stringify(value));
    };
    return { ...e, ingest, start, line: start(), direct, published };
  }
  const away = () => Promise.reject(new AttuneError("TRANSPORT_UNAVAILABLE", "NATS is away", { retryable: true }));

  test("a line is an event of the sensor's only trigger, with the id its key gives it", async () => {
    await using e = await ingesting();
    await e.line({ event_id: "k", payload: { n: 1 } });
    await e.line({ n: 2 });
    await e.line({ n: 2 });
    const restartedLine = e.start();
    await restartedLine({ event_id: "k", payload: { n: 1 } });
    await restartedLine({ n: 2 });
    const [keyed, plain, next, again, restarted] = e.published;
    expect(keyed).toMatchObject({ trigger: "p.t", sensor: "p.s", rule: null, payload: { n: 1 } });
    expect(again?.id).toBe(keyed!.id);
    expect(new Set([plain?.id, next?.id, restarted?.id]).size).toBe(3);
    expect(await count(e.db.storage, "event")).toBe(4);
  });

  test("a line for one rule, by id or ref, reaches only that rule", async () => {
    await using e = await ingesting();
    await e.line({ trigger_instance_id: `rule_${e.ruleId("p.all")}`, payload: { n: 50 } });
    await e.line({ trigger_instance_id: "rule_p.big", payload: { n: 50 } });
    expect(e.published.map(({ rule }) => rule)).toEqual(["p.all", "p.big"]);
    expect(await count(e.db.storage, "enforcement")).toBe(2);
  });

  test.each<[string, object | string, RegExp]>([
    ["broken JSON", "{broken", /not valid JSON/],
    ["another sensor's trigger", { trigger_ref: "p.other", n: 1 }, /p.other is not a trigger of p.s/],
    ["a rule that is not there", { trigger_instance_id: "rule_99", payload: {} }, /rule {"id":99}.* not a rule on p.t/],
    ["a payload too large", { text: "x".repeat(600_000) }, /the payload has 600011 bytes; at most 524288/],
  ])("%s is put aside with the reason", async (_, given, reason) => {
    await using e = await ingesting();
    await e.line(given);
    const { rows } = await e.db.storage.query<{ source: string; reason: string }>("SELECT source, reason FROM rejected_event");
    expect(rows).toEqual([{ source: "p.s", reason: expect.stringMatching(reason) }]);
    expect(await count(e.db.storage, "event")).toBe(0);
  });

  test("what a filter drops leaves no event, and where one fails the reason is kept, but not what it may have hidden", async () => {
    await using dropping = await ingesting({}, { filter: () => null });
    await dropping.line({ n: 1 });
    expect(await counts(dropping.db.storage)).toMatchObject({ event: 0, rejected_event: 0 });
    await using failing = await ingesting(
      {},
      { filter: () => Promise.reject(new AttuneError("PLUGIN_FAILED", "the plugin is broken")) },
    );
    await failing.line({ n: 1, password: "hush" });
    expect(await counts(failing.db.storage)).toMatchObject({ event: 0, rejected_event: 1 });
    const { rows } = await failing.db.storage.query<{ excerpt: string; reason: string }>(
      "SELECT excerpt, reason FROM rejected_event",
    );
    expect(rows).toEqual([{ excerpt: "(not kept, since a plugin failed)", reason: "the plugin is broken" }]);
  });

  test("while the transport is away events are handled directly", async () => {
    await using e = await ingesting({ publish: away });
    await e.line({ n: 1 });
    await e.ingest.event({ trigger: "p.t", target: null, key: null, payload: { n: 2 }, checkpoint: null }, null);
    expect(e.direct.map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await count(e.db.storage, "event")).toBe(2);
  });

  test("a line waits for a database that is away and is stored once it is back; one from outside is refused meanwhile", async () => {
    await using e = await ingesting({ publish: away });
    await server().kill9();
    let taken = false;
    const waiting = e.line({ event_id: "k", payload: { n: 1 } }).then(() => {
      taken = true;
    });
    const outside = { trigger: "p.t", target: null, key: null, payload: { n: 2 }, checkpoint: null };
    await expect(e.ingest.event(outside, null)).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
    expect(taken).toBe(false);
    await server().restart();
    await waiting;
    const { rows } = await e.db.storage.query("SELECT payload FROM event");
    expect(rows).toEqual([{ payload: { n: 1 } }]);
  });

  test("a line that waits gives up at once when its sensor has to stop", async () => {
    let attempts = 0;
    await using e = await ingesting({
      publish: () => {
        attempts++;
        return Promise.reject(new AttuneError("DATABASE_UNAVAILABLE", "away", { retryable: true }));
      },
    });
    const controller = new AbortController();
    const waiting = e.start(controller.signal)({ n: 1 });
    await until("the first attempt, which a pause follows", () => attempts > 0);
    controller.abort();
    expect(await Promise.race([waiting.then(() => "it gave up"), sleep(0, "it waits")])).toBe("it gave up");
  });

  test("an event from outside names a known trigger, and the same key is the same event", async () => {
    await using e = await ingesting();
    const emit = (trigger: string | null, key: string | null) =>
      e.ingest.event({ trigger, target: null, key: null, payload: { n: 1 }, checkpoint: null }, key);
    await expect(emit(null, null)).rejects.toMatchObject({ code: "EVENT_INVALID" });
    await expect(emit("p.tt", null)).rejects.toMatchObject({ code: "NOT_FOUND", hint: "did you mean p.t?" });
    expect(await emit("p.t", "k")).toBe(await emit("p.t", "k"));
    expect(await emit("p.t", null)).not.toBe(await emit("p.t", null));
    expect(await count(e.db.storage, "event")).toBe(3);
  });
});
