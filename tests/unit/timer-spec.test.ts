import { describe, expect, test } from "bun:test";
import { parseTimerSpec } from "../../packs/core/lib/timer-spec.ts";

const at = (iso: string) => Date.parse(iso);

describe("interval", () => {
  test.each([
    [{}, 60_000],
    [{ unit: "seconds", interval: 1 }, 1_000],
    [{ unit: "minutes", interval: 5 }, 300_000],
    [{ unit: "hours", interval: 2 }, 7_200_000],
    [{ unit: "days", interval: 30 }, 2_592_000_000],
    [{ unit: "milliseconds", interval: 10 }, 10],
  ])("%j", (params, periodMs) => {
    expect(parseTimerSpec("core.intervaltimer", params)).toEqual({ kind: "interval", periodMs });
  });

  test.each([
    [{ unit: "weeks", interval: 1 }, /unit is "weeks"/],
    [{ unit: "__proto__", interval: 1 }, /unit is "__proto__"/],
    [{ interval: 0 }, /interval is 0/],
    [{ interval: 1.5 }, /interval is 1.5/],
    [{ interval: "5" }, /interval is "5"/],
    [{ unit: "milliseconds", interval: 9 }, /shortest is 10 ms/],
    [{ unit: "days", interval: 1_000_000 }, /too long/],
  ])("refuses %j", (params, message) => {
    expect(() => parseTimerSpec("core.intervaltimer", params)).toThrow(message);
  });
});

describe("date", () => {
  test.each([
    ["2030-01-31T09:00:00Z", "Europe/Berlin", "2030-01-31T09:00:00Z"],
    ["2030-01-31T09:00:00.250+02:00", "UTC", "2030-01-31T07:00:00.250Z"],
    ["2030-01-31T09:00:00", "UTC", "2030-01-31T09:00:00Z"],
    ["2030-01-31T09:00", "Europe/Berlin", "2030-01-31T08:00:00Z"],
    ["2030-07-01 09:00:00", "Europe/Berlin", "2030-07-01T07:00:00Z"],
    ["2030-07-01", "Europe/Berlin", "2030-06-30T22:00:00Z"],
    // skipped by the clock change: moved on by the hour that is missing
    ["2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:30:00Z"],
    // happens twice: the first
    ["2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"],
    ["2026-04-05T01:45:00", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"],
  ])("%s in %s", (fireAt, timezone, instant) => {
    expect(parseTimerSpec("core.datetimetimer", { fire_at: fireAt, timezone })).toEqual({
      kind: "one_shot",
      fireAt: at(instant),
      timezone,
    });
  });

  test.each([
    [{}, /fire_at is null/],
    [{ fire_at: "tomorrow" }, /fire_at is "tomorrow"/],
    [{ fire_at: "2030-02-30T00:00:00" }, /2030-02-30/],
    [{ fire_at: 1_700_000_000 }, /a text is required/],
    [{ fire_at: "2030-01-01T00:00:00", timezone: "Mars/Olympus" }, /timezone is "Mars\/Olympus"/],
  ])("refuses %j", (params, message) => {
    expect(() => parseTimerSpec("core.datetimetimer", params)).toThrow(message);
  });
});

test("another trigger is refused by name", () => {
  expect(() => parseTimerSpec("core.rruletimer", {})).toThrow(/core.rruletimer/);
});
