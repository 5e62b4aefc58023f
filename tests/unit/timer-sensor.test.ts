import { expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Line, type RunningScript, startScript, typescriptCommand } from "../support/script.ts";
import { until } from "../support/until.ts";

const command = typescriptCommand("packs/core/sensors/interval_timer_sensor.ts");

function entry(id: number, trigger: string, params: object, more: object = {}): object {
  const ref = `p.r${id}`;
  const base = {
    id,
    rule_id: id,
    ref,
    rule_ref: ref,
    trigger_ref: trigger,
    trigger_type: trigger,
    config: params,
    trigger_params: params,
  };
  return { ...base, armed_at: "2026-01-01T00:00:00.000Z", checkpoint: null, ...more };
}
const every = (ms: number, id = 1, more: object = {}) =>
  entry(id, "core.intervaltimer", { unit: "milliseconds", interval: ms }, more);

function startSensor(rules: object[]): RunningScript {
  const env = { ATTUNE_SENSOR_TRIGGERS: JSON.stringify(rules), ATTUNE_SENSOR_REF: "core.interval_timer_sensor" };
  return startScript(command, { env });
}
const of = (sensor: RunningScript, id: number): Line[] =>
  sensor.events.filter((event) => event.trigger_instance_id === `rule_${id}`);

test("ticks are on the grid of the anchor, each once, in order", async () => {
  await using sensor = startSensor([every(50)]);
  sensor.send({ type: "rules", rules: [every(50)] });
  await until("ten ticks", () => sensor.events.length >= 10);
  const anchor = Date.parse("2026-01-01T00:00:00.000Z");
  const times = sensor.events.map((event) => Date.parse(String(event.payload["scheduled_at"])));
  expect(times.map((time) => (time - anchor) % 50)).toEqual(times.map(() => 0));
  expect(times).toEqual([...new Set(times)].sort());
  expect(sensor.events.map((event) => event.payload["execution_count"])).toEqual(times.map((_, i) => i + 1));
  expect(sensor.events[0]?.event_id).toBe(`p.r1@${sensor.events[0]?.payload["scheduled_at"]}`);
});

test("follows rule changes on stdin without touching the other rules", async () => {
  await using sensor = startSensor([every(30)]);
  await until("a tick", () => of(sensor, 1).length > 0);
  sensor.send({ type: "rules", rules: [every(30), every(20, 2)] });
  await until("ticks of the new rule", () => of(sensor, 2).length > 2);
  sensor.send({ type: "rules", rules: [every(30)] });
  sensor.send({ type: "rules", rules: [every(30), entry(3, "core.datetimetimer", { fire_at: "2020-01-01T00:00:00Z" })] });
  await until("the one-shot", () => of(sensor, 3).length > 0);
  const stopped = of(sensor, 2).length;
  const before = of(sensor, 1).length;
  await until("more ticks of the first rule", () => of(sensor, 1).length > before + 3);
  expect(of(sensor, 2)).toHaveLength(stopped);
  expect(of(sensor, 3)).toHaveLength(1);
  expect(of(sensor, 1).map((event) => event.checkpoint?.count)).toEqual(of(sensor, 1).map((_, i) => i + 1));
});

test("SIGTERM and the end of stdin both end it with 0", async () => {
  await using first = startSensor([every(20)]);
  await until("a tick", () => first.events.length > 0);
  first.kill("SIGTERM");
  expect(await first.exited).toBe(0);

  await using second = startSensor([entry(1, "core.crontimer", { expression: "0 0 1 1 *" })]);
  second.endStdin();
  expect(await second.exited).toBe(0);
});

test("wrong rules are named on stderr and hurt nobody else", async () => {
  const bad = entry(5, "core.crontimer", { expression: "* * * * *", timezone: "Mars/Olympus" });
  await using sensor = startSensor([bad, every(20), { id: "x" }]);
  sensor.send({ type: "nonsense" });
  await until("ticks", () => sensor.events.length > 2);
  await until("the log", () => sensor.log().includes("Mars/Olympus"));
  expect(sensor.log()).toContain("rule p.r5 will not fire");
  expect(sensor.log()).toContain("a rule without id, ref or trigger was left out");
  expect(of(sensor, 5)).toEqual([]);
});

test("while nobody reads it holds its ticks back, and afterwards sends only the latest", async () => {
  await using pipe = openPipe();
  // One round of these is more than the 64 KiB that fit into the pipe.
  const rules = Array.from({ length: 250 }, (_, i) => every(10, i));
  const env = { PATH: process.env["PATH"], ATTUNE_SENSOR_TRIGGERS: JSON.stringify(rules) };
  await using child = Bun.spawn(command, { env, stdio: ["pipe", pipe.writeEnd, "inherit"] });
  const first = await until("the first bytes", () => pipe.read(1));
  const blocked = Date.now();
  await until("twenty ticks to have passed unread", () => Date.now() > blocked + 200);
  const resumed = Date.now();
  let text = first;
  await until("a tick of the time after", () => {
    text += pipe.read(1024 * 1024);
    return text
      .split("\n")
      .slice(0, -1)
      .some((line) => scheduledTime(line) > resumed);
  });
  child.kill("SIGKILL");
  const times = text.split("\n").slice(0, -1).map(scheduledTime);
  expect(times.filter((time) => time > blocked && time < resumed - 20)).toEqual([]);
  expect(times.filter((time) => time <= blocked).length).toBeGreaterThanOrEqual(250);
});

/** A pipe of the kernel's that is read only when asked. */
function openPipe() {
  const directory = mkdtempSync(join(tmpdir(), "attune-timer-"));
  const path = join(directory, "pipe");
  Bun.spawnSync(["mkfifo", path]);
  const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  return {
    writeEnd,
    read(bytes: number): string {
      const buffer = Buffer.alloc(bytes);
      try {
        return buffer.toString("utf8", 0, readSync(readEnd, buffer));
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "EAGAIN") return "";
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      closeSync(readEnd);
      closeSync(writeEnd);
      rmSync(directory, { recursive: true });
    },
  };
}

function scheduledTime(line: string): number {
  return Date.parse(JSON.parse(line).payload.scheduled_at);
}
