import { describe, expect, test } from "bun:test";
import type { JsonObject, SensorEvent, SensorRule } from "attune";
import { createTimers } from "../../packs/core/lib/timers.ts";

const start = Date.parse("2026-06-01T12:00:00.000Z");
const day = 86_400_000;

function rule(
  id: number,
  kind: "interval" | "cron" | "datetime",
  params: JsonObject,
  more: Partial<SensorRule> = {},
): SensorRule {
  const armedAt = new Date(start).toISOString();
  return { id, ref: `p.r${id}`, trigger: `core.${kind}timer`, params, armedAt, checkpoint: null, ...more };
}
const everySecond = (more?: Partial<SensorRule>) => rule(1, "interval", { unit: "seconds", interval: 1 }, more);

function timersWith(rules: SensorRule[], now = start) {
  const warnings: string[] = [];
  const timers = createTimers({ sensorRef: "core.interval_timer_sensor", warn: (message) => warnings.push(message) });
  timers.update(rules, now);
  return { timers, warnings };
}
const scheduled = (events: SensorEvent[]) => events.map((event) => event.payload["scheduled_at"]);
const counts = (events: SensorEvent[]) => events.map((event) => event.payload["execution_count"]);

describe("payloads", () => {
  test("interval", () => {
    const { timers } = timersWith([everySecond({ checkpoint: { count: 41, last_scheduled_at: "2026-06-01T11:00:00.000Z" } })]);
    expect(timers.fire(start + 1_003)).toEqual([
      {
        trigger: "core.intervaltimer",
        rule: expect.objectContaining({ id: 1 }),
        id: "p.r1@2026-06-01T12:00:01.000Z",
        payload: {
          type: "interval",
          interval_seconds: 1,
          fired_at: "2026-06-01T12:00:01.003Z",
          scheduled_at: "2026-06-01T12:00:01.000Z",
          execution_count: 42,
          sensor_ref: "core.interval_timer_sensor",
        },
        checkpoint: { count: 42, last_scheduled_at: "2026-06-01T12:00:01.000Z" },
      },
    ]);
  });

  test("cron", () => {
    const { timers } = timersWith([rule(2, "cron", { expression: "0 9 * * *", timezone: "Asia/Kathmandu" })]);
    const [event] = timers.fire(Date.parse("2026-06-02T03:15:00.020Z"));
    expect(event?.payload).toEqual({
      type: "cron",
      expression: "0 9 * * *",
      timezone: "Asia/Kathmandu",
      scheduled_at: "2026-06-02T03:15:00.000Z",
      fired_at: "2026-06-02T03:15:00.020Z",
      next_fire_at: "2026-06-03T03:15:00.000Z",
      execution_count: 1,
      sensor_ref: "core.interval_timer_sensor",
    });
  });

  test("date", () => {
    const { timers } = timersWith([rule(3, "datetime", { fire_at: "2026-06-01T14:00:10", timezone: "Europe/Berlin" })]);
    const [event] = timers.fire(start + 10_007);
    expect(event?.payload).toEqual({
      type: "one_shot",
      fire_at: "2026-06-01T12:00:10.000Z",
      scheduled_at: "2026-06-01T12:00:10.000Z",
      fired_at: "2026-06-01T12:00:10.007Z",
      timezone: "Europe/Berlin",
      delay_ms: 7,
      execution_count: 1,
      sensor_ref: "core.interval_timer_sensor",
    });
  });
});

describe("time", () => {
  test("late wake-ups neither shift later ticks nor pile up", () => {
    const { timers } = timersWith([everySecond()]);
    expect(scheduled(timers.fire(start + 1_900))).toEqual(["2026-06-01T12:00:01.000Z"]);
    expect(timers.sleepMs(start + 1_900)).toBe(100);
    expect(scheduled(timers.fire(start + 3_600_050))).toEqual(["2026-06-01T13:00:00.000Z"]);
    expect(timers.fire(start + 3_600_999)).toEqual([]);
    expect(counts(timers.fire(start + 3_601_000))).toEqual([3]);
  });

  test("a restart keeps the phase and skips what was missed", () => {
    const { timers } = timersWith(
      [everySecond({ checkpoint: { count: 5, last_scheduled_at: "2026-06-01T12:00:05.000Z" } })],
      start + 60_400,
    );
    expect(timers.fire(start + 60_400)).toEqual([]);
    const events = timers.fire(start + 61_000);
    expect([scheduled(events), counts(events)]).toEqual([["2026-06-01T12:01:01.000Z"], [6]]);
  });

  test("all rules that are due fire together", () => {
    const { timers } = timersWith([
      everySecond(),
      rule(2, "cron", { expression: "* * * * * *" }),
      rule(3, "interval", { interval: 5 }),
    ]);
    expect(timers.fire(start + 5_000).map((event) => event.rule?.id)).toEqual([1, 2, 3]);
  });

  test("sleeps at most a minute, and for ever with nothing to wait for", () => {
    expect(timersWith([rule(1, "interval", { unit: "days", interval: 3_650 })]).timers.sleepMs(start)).toBe(60_000);
    expect(timersWith([]).timers.sleepMs(start)).toBeNull();
  });

  test("an interval goes on when the clock is set back, with ids of its own", () => {
    const { timers } = timersWith([everySecond()]);
    const before = timers.fire(start + 3_600_000);
    expect(timers.fire(start + 500)).toEqual([]);
    const after = timers.fire(start + 1_500);
    expect(scheduled(after)).toEqual(["2026-06-01T12:00:01.500Z"]);
    expect(counts([...before, ...after])).toEqual([1, 2]);
  });

  test("a clock that was years ahead for a moment does not silence a cron timer", () => {
    const { timers } = timersWith([rule(1, "cron", { expression: "* * * * *" })]);
    timers.fire(start + 400 * day);
    timers.fire(start + 1_000);
    expect(scheduled(timers.fire(start + 60_000))).toEqual(["2026-06-01T12:01:00.000Z"]);
  });

  test("an interval stored by a clock that was ahead counts from now", () => {
    const { timers } = timersWith(
      [everySecond({ checkpoint: { count: 1, last_scheduled_at: "2027-01-01T00:00:00.000Z" } })],
      start + 300,
    );
    expect(scheduled(timers.fire(start + 1_300))).toEqual(["2026-06-01T12:00:01.300Z"]);
  });
});

describe("one-shots", () => {
  const past = "2026-01-01T00:00:00.000Z";

  test("a past one fires once, when it never did", () => {
    const once = rule(1, "datetime", { fire_at: past });
    const { timers } = timersWith([once]);
    expect(scheduled(timers.fire(start))).toEqual([past]);
    expect(timers.sleepMs(start)).toBeNull();
    timers.update([{ ...once }], start + 1);
    expect(timers.fire(start + 2)).toEqual([]);
  });

  test("one that fired in an earlier life of the sensor stays silent, even when the clock is set back", () => {
    const { timers } = timersWith([
      rule(1, "datetime", { fire_at: past }, { checkpoint: { count: 1, last_scheduled_at: past } }),
    ]);
    expect(timers.fire(start)).toEqual([]);
    expect(timers.fire(Date.parse(past) - day)).toEqual([]);
    expect(timers.fire(start)).toEqual([]);
  });

  test("another date fires again", () => {
    const { timers } = timersWith([
      rule(1, "datetime", { fire_at: past }, { checkpoint: { count: 1, last_scheduled_at: "2025-01-01T00:00:00.000Z" } }),
    ]);
    expect(counts(timers.fire(start))).toEqual([2]);
  });
});

describe("changes of the rules", () => {
  test("an unchanged rule keeps its timer: no tick is lost, none comes twice", () => {
    const { timers } = timersWith([everySecond()]);
    expect(scheduled(timers.fire(start + 1_000))).toEqual(["2026-06-01T12:00:01.000Z"]);
    // a list that comes after a tick was due and before it fired, and still has the old checkpoint
    timers.update([everySecond(), rule(2, "interval", { interval: 60 })], start + 2_001);
    expect(timers.fire(start + 2_002).map((event) => event.id)).toEqual(["p.r1@2026-06-01T12:00:02.000Z"]);
  });

  test("a changed rule is armed anew and its count goes on, whatever an older checkpoint says", () => {
    const { timers } = timersWith([everySecond()]);
    timers.fire(start + 1_000);
    timers.fire(start + 2_000);
    const armedAt = new Date(start + 2_250).toISOString();
    timers.update([rule(1, "interval", { interval: 2 }, { armedAt, checkpoint: { count: 1 } })], start + 2_300);
    expect(timers.fire(start + 4_000)).toEqual([]);
    const events = timers.fire(start + 4_250);
    expect([scheduled(events), counts(events)]).toEqual([["2026-06-01T12:00:04.250Z"], [3]]);
  });

  test("a removed rule stops", () => {
    const { timers } = timersWith([everySecond()]);
    timers.update([], start + 500);
    expect(timers.fire(start + 5_000)).toEqual([]);
    expect(timers.sleepMs(start + 5_000)).toBeNull();
  });

  test("a rule with wrong parameters is named once, and the others go on", () => {
    const bad = [
      rule(7, "cron", { expression: "61 * * * *" }),
      rule(8, "cron", { expression: "* * * * *", timezone: "Mars/Olympus" }),
      rule(9, "cron", { expression: "0 0 31 2 *" }),
    ];
    const { timers, warnings } = timersWith([...bad, everySecond()]);
    timers.update([...bad, everySecond(), rule(2, "interval", {})], start + 1);
    expect(warnings).toEqual([
      expect.stringMatching(/^rule p.r7 will not fire: .*minute: 61/),
      expect.stringMatching(/^rule p.r8 will not fire: .*Mars\/Olympus/),
      expect.stringMatching(/^rule p.r9 will not fire: .*never fires/),
    ]);
    expect(timers.fire(start + 1_000).map((event) => event.rule?.id)).toEqual([1]);
  });
});
