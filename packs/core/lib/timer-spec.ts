import type { JsonObject } from "attune";

/** What the parameters of a timer rule ask for. Times are milliseconds since 1970. */
export type TimerSpec =
  | { readonly kind: "interval"; readonly periodMs: number }
  | { readonly kind: "cron"; readonly expression: string; readonly timezone: string }
  | { readonly kind: "one_shot"; readonly fireAt: number; readonly timezone: string };

const unitMs: Readonly<Record<string, number>> = {
  milliseconds: 1,
  seconds: 1_000,
  minutes: 60_000,
  hours: 3_600_000,
  days: 86_400_000,
};
const shortestMs = 10;
/** A hundred years: beyond it the times would leave what a Date can hold. */
const longestMs = 36_525 * 86_400_000;

/** Reads the `trigger_params` of a rule on one of the three timers. Throws an Error that names the wrong parameter. */
export function parseTimerSpec(trigger: string, params: JsonObject): TimerSpec {
  switch (trigger) {
    case "core.intervaltimer":
      return { kind: "interval", periodMs: readPeriod(params) };
    case "core.crontimer":
      return { kind: "cron", expression: readText(params, "expression"), timezone: readTimezone(params) };
    case "core.datetimetimer": {
      const timezone = readTimezone(params);
      return { kind: "one_shot", fireAt: readInstant(readText(params, "fire_at"), timezone), timezone };
    }
    default:
      throw new Error(`${trigger} is not a timer of the core pack`);
  }
}

function readPeriod(params: JsonObject): number {
  const unit = params["unit"] ?? "seconds";
  const interval = params["interval"] ?? 60;
  const factor = typeof unit === "string" && Object.hasOwn(unitMs, unit) ? unitMs[unit] : undefined;
  if (factor === undefined) throw new Error(`unit is ${JSON.stringify(unit)}; use one of ${Object.keys(unitMs).join(", ")}`);
  if (typeof interval !== "number" || !Number.isInteger(interval) || interval < 1) {
    throw new Error(`interval is ${JSON.stringify(interval)}; use a whole number of ${unit} from 1`);
  }
  const periodMs = interval * factor;
  if (periodMs < shortestMs) throw new Error(`an interval of ${periodMs} ms is too short; the shortest is ${shortestMs} ms`);
  if (periodMs > longestMs) throw new Error(`an interval of ${interval} ${unit} is too long; the longest is a hundred years`);
  return periodMs;
}

function readText(params: JsonObject, name: string): string {
  const value = params[name];
  if (typeof value !== "string" || value.trim() === "")
    throw new Error(`${name} is ${JSON.stringify(value ?? null)}; a text is required`);
  return value.trim();
}

function readTimezone(params: JsonObject): string {
  const timezone = params["timezone"] ?? "UTC";
  if (typeof timezone === "string") {
    try {
      return new Intl.DateTimeFormat("en", { timeZone: timezone }) && timezone;
    } catch {
      // unknown to Intl: reported below like any other wrong value
    }
  }
  throw new Error(`timezone is ${JSON.stringify(timezone)}; use an IANA name such as Europe/Berlin`);
}

/**
 * With `Z` or an offset the text names an instant; without, it is local time of `timezone`. A local time that a clock
 * change skips moves forward by the gap; of one that occurs twice the first is meant.
 */
function readInstant(text: string, timezone: string): number {
  try {
    if (/(?:z|[+-]\d\d(?::?\d\d)?)$/i.test(text) && text.includes(":")) return Temporal.Instant.from(text).epochMilliseconds;
    return Temporal.PlainDateTime.from(text, { overflow: "reject" }).toZonedDateTime(timezone).epochMilliseconds;
  } catch {
    throw new Error(`fire_at is ${JSON.stringify(text)}; use ISO 8601 such as 2030-01-31T09:00:00Z or 2030-01-31T09:00:00`);
  }
}
