import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startScript, typescriptCommand } from "../support/script.ts";
import { until } from "../support/until.ts";

const directory = mkdtempSync(join(tmpdir(), "attune-sdk-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Starts a sensor made of `body`, a function of the API that returns the handlers. */
function startSensor(body: string, options: Parameters<typeof startScript>[1] = {}) {
  const file = join(directory, `${Bun.hash(body)}.ts`);
  writeFileSync(file, `import { runSensor } from "attune";\nawait runSensor(${body});\n`);
  return startScript(typescriptCommand(file), options);
}

/** Emits the whole list each time it gets one. */
const listing = `(sensor) => ({
  async rules(rules) { await sensor.emit({ trigger: "p.list", payload: { rules } }); },
  stop() { sensor.log("bye"); },
})`;

test("reads every generation of entries", async () => {
  const entries = [
    { id: 1, ref: "p.old", trigger_ref: "p.t", config: { a: 1 } },
    {
      rule_id: 2,
      rule_ref: "p.new",
      trigger_type: "p.t",
      trigger_params: { b: 2 },
      armed_at: "2026-01-01T00:00:00Z",
      checkpoint: { n: 3 },
    },
  ];
  await using sensor = startSensor(listing, { env: { ATTUNE_SENSOR_TRIGGERS: JSON.stringify(entries) } });
  await until("the list", () => sensor.events.length > 0);
  expect(sensor.events[0]?.payload).toEqual({
    rules: [
      { id: 1, ref: "p.old", trigger: "p.t", params: { a: 1 }, armedAt: null, checkpoint: null },
      { id: 2, ref: "p.new", trigger: "p.t", params: { b: 2 }, armedAt: "2026-01-01T00:00:00Z", checkpoint: { n: 3 } },
    ],
  });
});

test("takes new lists from stdin, also in pieces, and survives lines that are none", async () => {
  await using sensor = startSensor(listing);
  await until("the first list", () => sensor.events.length === 1);
  sensor.send({ type: "rules", rules: [{ id: 1, ref: "p.r", trigger_ref: "p.ü" }] });
  await until("the second list", () => sensor.events.length === 2);
  sensor.send({ type: "later" });
  sensor.send([]);
  sensor.send({ type: "rules", rules: [] });
  await until("the third list", () => sensor.events.length === 3);
  const refs = sensor.events.map(({ payload }) => (payload["rules"] as { trigger: string }[]).map((rule) => rule.trigger));
  expect(refs).toEqual([[], ["p.ü"], []]);
});

test("an event for a rule names it, with id and checkpoint", async () => {
  const body = `(sensor) => ({
    async rules([rule]) {
      if (rule) await sensor.emit([
        { trigger: rule.trigger, rule, id: "k1", payload: { n: 1 }, checkpoint: { at: 1 } },
        { trigger: rule.trigger, payload: { n: 2 } },
      ]);
    },
  })`;
  const entries = [{ id: 7, ref: "p.r", trigger_ref: "p.t" }];
  await using sensor = startSensor(body, { env: { ATTUNE_SENSOR_TRIGGERS: JSON.stringify(entries) } });
  await until("both events", () => sensor.events.length === 2);
  expect(sensor.events as unknown[]).toEqual([
    { trigger_ref: "p.t", trigger_instance_id: "rule_7", event_id: "k1", payload: { n: 1 }, checkpoint: { at: 1 } },
    { trigger_ref: "p.t", payload: { n: 2 } },
  ]);
});

test("stops on SIGTERM and at the end of stdin, after a last call", async () => {
  await using first = startSensor(listing);
  await until("the list", () => first.events.length > 0);
  first.kill("SIGTERM");
  expect(await first.exited).toBe(0);
  await until("the last call", () => first.log() === "bye\n");

  await using second = startSensor(listing);
  second.endStdin();
  expect(await second.exited).toBe(0);
});

test("without a control channel the end of stdin means nothing", async () => {
  const body = `(sensor) => ({
    async run(signal) {
      for (let n = 1; !signal.aborted; n++) { await sensor.emit({ trigger: "p.t", payload: { n } }); await Bun.sleep(5); }
    },
  })`;
  await using sensor = startSensor(body, { stdin: "none" });
  await until("it to go on", () => sensor.events.length > 10);
  sensor.kill("SIGINT");
  expect(await sensor.exited).toBe(0);
});

test.each([
  ["when it is created", "() => { throw new Error('broken') }"],
  ["in rules", "() => ({ rules() { throw new Error('broken') } })"],
  ["in run", "() => ({ async run() { throw new Error('broken') } })"],
])("an error %s ends it with 1 and the reason on stderr", async (_where, body) => {
  await using sensor = startSensor(body);
  expect(await sensor.exited).toBe(1);
  await until("the reason", () => sensor.log().includes("broken"));
});

test("what run throws because it was told to stop is no failure", async () => {
  const body = `(sensor) => ({
    async run(signal) {
      await sensor.emit({ trigger: "p.t", payload: {} });
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    },
    stop: () => Bun.sleep(20),
  })`;
  await using sensor = startSensor(body);
  await until("it to run", () => sensor.events.length > 0);
  sensor.kill("SIGTERM");
  expect(await sensor.exited).toBe(0);
});

test("a daemon that is gone ends it quietly", async () => {
  const body = `(sensor) => ({ async run() { for (;;) { await sensor.emit({ trigger: "p.t", payload: {} }); await Bun.sleep(1); } } })`;
  const file = join(directory, "closed.ts");
  writeFileSync(file, `import { runSensor } from "attune";\nawait runSensor(${body});\n`);
  const shell = Bun.spawn(["sh", "-c", '{ "$@"; echo "code $?" >&2; } | head -n 1', "sh", ...typescriptCommand(file)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  expect(await new Response(shell.stderr).text()).toBe("code 0\n");
});
