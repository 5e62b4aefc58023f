import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cronSchedule, intervalSchedule, type Schedule } from "../../packs/core/lib/schedule.ts";

function ticks(schedule: Schedule, from: string, count: number): string[] {
  const result: string[] = [];
  let time: number | null = Date.parse(from);
  while (result.length < count) {
    time = schedule.after(time);
    if (time === null) break;
    result.push(new Date(time).toISOString().replace(":00.000Z", "Z"));
  }
  return result;
}

test("an interval ticks at anchor + n x period, however far away", () => {
  const time = fc.integer({ min: -8e14, max: 8e14 });
  fc.assert(
    fc.property(time, time, fc.integer({ min: 10, max: 3_155_760_000_000 }), (anchor, now, period) => {
      const schedule = intervalSchedule(anchor, period);
      const latest = schedule.latest(now) ?? Number.NaN;
      const after = schedule.after(now) ?? Number.NaN;
      expect(Math.abs((latest - anchor) % period)).toBe(0);
      expect(latest).toBeLessThanOrEqual(now);
      expect(after).toBeGreaterThan(now);
      expect(after - latest).toBe(period);
    }),
  );
});

describe("cron and clock changes", () => {
  test.each([
    [
      "a listed time in the gap ticks after it",
      "30 2 * * *",
      "America/New_York",
      "2026-03-07T12:00Z",
      ["2026-03-08T07:00Z", "2026-03-09T06:30Z"],
    ],
    [
      "a listed time that repeats ticks once",
      "30 1 * * *",
      "America/New_York",
      "2026-10-31T12:00Z",
      ["2026-11-01T05:30Z", "2026-11-02T06:30Z"],
    ],
    [
      "so do listed hours",
      "30 1,2 * * *",
      "Europe/Berlin",
      "2026-10-24T12:00Z",
      ["2026-10-24T23:30Z", "2026-10-25T00:30Z", "2026-10-26T00:30Z"],
    ],
    ["in Berlin", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]],
    [
      "a gap of half an hour",
      "15 2 * * *",
      "Australia/Lord_Howe",
      "2026-10-03T00:00Z",
      ["2026-10-03T15:30Z", "2026-10-04T15:15Z"],
    ],
    [
      "half an hour that repeats",
      "45 1 * * *",
      "Australia/Lord_Howe",
      "2026-04-04T00:00Z",
      ["2026-04-04T14:45Z", "2026-04-05T15:15Z"],
    ],
    [
      "every half hour follows elapsed time",
      "*/30 * * * *",
      "America/New_York",
      "2026-11-01T05:00Z",
      ["2026-11-01T05:30Z", "2026-11-01T06:00Z", "2026-11-01T06:30Z", "2026-11-01T07:00Z"],
    ],
    [
      "also over the gap",
      "*/30 * * * *",
      "America/New_York",
      "2026-03-08T06:00Z",
      ["2026-03-08T06:30Z", "2026-03-08T07:00Z", "2026-03-08T07:30Z"],
    ],
    ["a zone off by 45 minutes", "0 9 * * *", "Asia/Kathmandu", "2026-01-01T00:00Z", ["2026-01-01T03:15Z"]],
    ["29 February", "0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]],
    ["the 31st skips short months", "0 0 31 * *", "UTC", "2026-01-31T00:00Z", ["2026-03-31T00:00Z", "2026-05-31T00:00Z"]],
    ["a nickname", "@daily", "UTC", "2026-01-31T00:00Z", ["2026-02-01T00:00Z"]],
  ])("%s: %s in %s", (_what, expression, timezone, from, expected) => {
    expect(ticks(cronSchedule(expression, timezone), from, expected.length)).toEqual(expected);
  });

  test("six fields begin with seconds", () => {
    expect(ticks(cronSchedule("*/20 30 8 * * *", "UTC"), "2026-01-01T00:00:00Z", 3)).toEqual([
      "2026-01-01T08:30Z",
      "2026-01-01T08:30:20.000Z",
      "2026-01-01T08:30:40.000Z",
    ]);
  });

  test.each([
    ["0 0 29 2 *", "UTC", "2026-01-01T00:00Z", 3],
    ["30 2 * * *", "America/New_York", "2026-03-05T00:00Z", 8],
    ["*/20 * * * *", "Australia/Lord_Howe", "2026-04-03T00:00Z", 200],
    ["30 1,2 * * *", "Europe/Berlin", "2026-10-23T00:00Z", 9],
    ["* * * * * *", "Africa/Cairo", "2026-04-23T21:59:30Z", 60],
  ])("the latest tick is the one the forward search gave: %s in %s", (expression, timezone, from, count) => {
    const schedule = cronSchedule(expression, timezone);
    let tick = schedule.after(Date.parse(from)) ?? Number.NaN;
    for (let i = 0; i < count; i++) {
      const next = schedule.after(tick) ?? Number.NaN;
      for (const now of [tick, tick + 1, tick + 999, next - 1]) expect(schedule.latest(now)).toBe(tick);
      tick = next;
    }
  });
});

test.each([
  ["99 * * * *", "UTC", /minute: 99/],
  ["* * *", "UTC", /3 fields/],
  ["* * * * * * 2030", "UTC", /7 fields/],
  ["2030-01-01T00:00:00", "UTC", /1 fields/],
  ["@reboot", "UTC", /1 fields/],
  ["* * * * banana", "UTC", /not a cron expression/],
])("refuses %s", (expression, timezone, message) => {
  expect(() => cronSchedule(expression, timezone)).toThrow(message);
});
