import type { JsonObject, SensorEvent } from "attune";
import { type Timer, toCheckpoint, toIso } from "./timer.ts";

/** The event of a timer that has just fired for `tick`. */
export function timerEvent(timer: Timer, tick: number, now: number, sensorRef: string): SensorEvent {
  return {
    trigger: timer.rule.trigger,
    rule: timer.rule,
    id: `${timer.rule.ref}@${toIso(tick)}`,
    payload: {
      ...describe(timer, tick, now),
      fired_at: toIso(now),
      scheduled_at: toIso(tick),
      execution_count: timer.progress.count,
      sensor_ref: sensorRef,
    },
    checkpoint: toCheckpoint(timer.progress),
  };
}

function describe(timer: Timer, tick: number, now: number): JsonObject {
  const { spec, next } = timer;
  switch (spec.kind) {
    case "interval":
      return { type: "interval", interval_seconds: spec.periodMs / 1000 };
    case "cron":
      return {
        type: "cron",
        expression: spec.expression,
        timezone: spec.timezone,
        ...(next === null ? {} : { next_fire_at: toIso(next) }),
      };
    case "one_shot":
      return { type: "one_shot", fire_at: toIso(spec.fireAt), timezone: spec.timezone, delay_ms: now - tick };
  }
}
