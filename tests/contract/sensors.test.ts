import { expect, setDefaultTimeout, test } from "bun:test";
import { rulesMessage, type SensorStart, startSensor, type WantedSensor, wantedSensors } from "../../src/core/engine/sensors.ts";
import type { Child } from "../../src/core/processes/child.ts";
import { startChild } from "../../src/core/processes/child.ts";
import { createPacks, noSurroundings, smallPack, type TestDatabase, type TestPacks, withPostgres } from "../support/engine.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database } = withPostgres();

const sensor = (script: string, more = "") => ({
  "p/sensors/s.yaml": `ref: p.s\nrunner_type: shell\nentry_point: s.sh\ntrigger_types: [p.t]\n${more}`,
  "p/sensors/s.sh": `#!/bin/sh\n${script}\n`,
});

async function wantedFor(
  db: TestDatabase,
  packs: TestPacks,
  files: Record<string, string>,
  rules: Record<string, string> = { r: "trigger_params: {interval: 5}\n" },
) {
  packs.write({ ...smallPack("true", rules), ...files });
  await packs.reconciler.reload();
  const wanted = wantedSensors(packs.reconciler.registry, noSurroundings).find(({ ref }) => ref === "p.s");
  if (!wanted) throw new Error(JSON.stringify(packs.reconciler.registry.packs.get("p")?.problems));
  return { wanted, db };
}

async function start(
  db: TestDatabase,
  wanted: WantedSensor,
  take: (line: string) => Promise<void>,
): Promise<Child & { log: string[] }> {
  const log: string[] = [];
  const context: SensorStart = {
    sql: db.storage,
    start: startChild,
    filterLaunch: (launch) => launch,
    environment: () => ({ PATH: "/usr/bin:/bin" }),
    lines: () => take,
    tooLong: () => void log.push("too long"),
  };
  const child = await startSensor(context, wanted, (line) => void log.push(line));
  return { ...child, log };
}

test("a sensor is told its rules with their checkpoints, its config and its names", async () => {
  await using db = await database();
  using packs = await createPacks(db.storage);
  const script =
    'echo "$ATTUNE_SENSOR_TRIGGERS"; echo "$ATTUNE_SENSOR_POLL_SECONDS $ATTUNE_SENSOR_REF $ATTUNE_PACK_REF $ATTUNE_SENSOR_TRIGGER_TYPES"; pwd';
  const { wanted } = await wantedFor(db, packs, sensor(script, "config: {poll-seconds: 7}\n"));
  const [rule] = wanted.rules;
  await db.storage.query("INSERT INTO checkpoint (rule_id, sensor_ref, state) VALUES ($1, 'p.s', '{\"count\": 3}')", [rule?.id]);
  const lines: string[] = [];
  const child = await start(db, wanted, async (line) => void lines.push(line));
  await child.exited;
  const entry = {
    ...{ id: rule?.id, rule_id: rule?.id, ref: "p.r", rule_ref: "p.r", trigger_ref: "p.t", trigger_type: "p.t" },
    ...{ config: { interval: 5 }, trigger_params: { interval: 5 }, armed_at: rule?.armedAt, checkpoint: { count: 3 } },
  };
  expect(JSON.parse(lines[0] ?? "")).toEqual([entry]);
  expect(lines.slice(1)).toEqual(['7 p.s p ["p.t"]', wanted.sensor.dir]);
  expect(JSON.parse(await rulesMessage(db.storage, wanted))).toEqual({ type: "rules", rules: [entry] });
});

test("lines are taken in order, and its end comes after the last was taken", async () => {
  await using db = await database();
  using packs = await createPacks(db.storage);
  const { wanted } = await wantedFor(db, packs, sensor("for i in $(seq 1000); do echo $i; done; printf last; echo oops >&2"));
  const lines: string[] = [];
  let underWay = 0;
  let most = 0;
  const child = await start(db, wanted, async (line) => {
    lines.push(line);
    most = Math.max(most, ++underWay);
    await Bun.sleep(1);
    underWay--;
  });
  await child.exited;
  expect(underWay).toBe(0);
  expect(lines).toEqual([...Array.from({ length: 1_000 }, (_, i) => String(i + 1)), "last"]);
  expect(most).toBeLessThanOrEqual(256);
  expect(child.log).toEqual(["oops"]);
});

test("while its lines can't be taken it is held back, and can be stopped all the same", async () => {
  await using db = await database();
  using packs = await createPacks(db.storage);
  const { wanted } = await wantedFor(db, packs, sensor("exec yes"));
  let taken = 0;
  const aborted = Promise.withResolvers<void>();
  const context: SensorStart = {
    sql: db.storage,
    start: startChild,
    filterLaunch: (launch) => launch,
    environment: () => ({ PATH: "/usr/bin:/bin" }),
    lines: (_sensor, signal) => {
      signal.addEventListener("abort", () => aborted.resolve());
      return () => {
        taken++;
        return aborted.promise;
      };
    },
    tooLong() {},
  };
  const child = await startSensor(context, wanted, () => {});
  await until("it is held back", () => taken === 256);
  await child.stop(200);
  expect(isRunning(child.pid)).toBe(false);
});

test("a line that fails to be taken is told in its log and ends nothing", async () => {
  await using db = await database();
  using packs = await createPacks(db.storage);
  const { wanted } = await wantedFor(db, packs, sensor("echo one; echo two"));
  const child = await start(db, wanted, (line) => (line === "one" ? Promise.reject(new Error("disk full")) : Promise.resolve()));
  expect(await child.exited).toEqual({ code: 0, signal: null });
  expect(child.log).toEqual(["(a line could not be taken: disk full)"]);
});

test("more rules than fit into a variable come by stdin, and a sensor that does not listen says what to do", async () => {
  await using db = await database();
  using packs = await createPacks(db.storage);
  const rules = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`r${i}`, `trigger_params: {note: ${"x".repeat(300)}}\n`]),
  );
  const script = 'echo "$ATTUNE_SENSOR_TRIGGERS"';
  const listening = await wantedFor(db, packs, sensor(script, "control: stdin\n"), rules);
  const lines: string[] = [];
  await (await start(db, listening.wanted, async (line) => void lines.push(line))).exited;
  expect(lines).toEqual(["[]"]);

  const deaf = await wantedFor(db, packs, sensor(script), rules);
  await expect(start(db, deaf.wanted, async () => {})).rejects.toMatchObject({
    code: "RUNTIME_UNAVAILABLE",
    message: "the 300 rules of p.s don't fit into ATTUNE_SENSOR_TRIGGERS",
  });
});
