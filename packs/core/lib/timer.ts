import type { JsonObject, SensorRule } from "attune";
import { cronSchedule, intervalSchedule, onceSchedule, type Schedule } from "./schedule.ts";
import { parseTimerSpec, type TimerSpec } from "./timer-spec.ts";

/** How far a timer has come; kept by the daemon as the rule's checkpoint. */
export interface Progress {
  readonly count: number;
  /** Scheduled time of the last tick that fired. */
  readonly last: number | null;
}

/** An armed timer. A value: firing gives the next one. */
export interface Timer {
  readonly rule: SensorRule;
  readonly spec: TimerSpec;
  readonly schedule: Schedule;
  readonly progress: Progress;
  /** The tick being waited for, or null when there will be none. */
  readonly next: number | null;
  /** The moment `next` was computed for: it is the first tick after it. */
  readonly since: number;
}

/** A clock set back by less is waited out. */
const setBackMs = 1_000;

/**
 * Arms the timer of a rule at `now`. Ticks that were missed before are skipped, but a one-shot that never fired fires,
 * however late. Throws an Error when the rule's parameters are wrong or describe a timer that never fires.
 */
export function armTimer(rule: SensorRule, progress: Progress, now: number): Timer {
  const spec = parseTimerSpec(rule.trigger, rule.params);
  const schedule = makeSchedule(spec, anchorOf(rule, progress, now));
  const timer = { rule, spec, schedule, progress, since: now };
  if (spec.kind === "one_shot") return { ...timer, next: progress.last === spec.fireAt ? null : spec.fireAt };
  const next = schedule.after(now);
  if (next === null) throw new Error(`expression ${JSON.stringify(rule.params["expression"])} never fires`);
  return { ...timer, next };
}

/** A timer that is due at `now` becomes the fired one; of several ticks that are due only the latest counts. */
export function fireTimer(timer: Timer, now: number): { readonly timer: Timer; readonly tick: number } | null {
  if (timer.next === null || now < timer.next) return null;
  const tick = Math.max(timer.next, timer.schedule.latest(now) ?? timer.next);
  const progress = { count: timer.progress.count + 1, last: tick };
  return { tick, timer: { ...timer, progress, since: now, next: timer.schedule.after(now) } };
}

/**
 * Rearms a repeating timer after the clock was set back, which would otherwise keep it silent until the clock is where
 * it was. An interval counts on from `now`; a cron timer follows the clock, and the ids of its events keep a tick that
 * has fired before from firing twice.
 */
export function rewindTimer(timer: Timer, now: number): Timer {
  if (timer.spec.kind === "one_shot" || timer.since - now <= setBackMs) return timer;
  const schedule = timer.spec.kind === "interval" ? intervalSchedule(now, timer.spec.periodMs) : timer.schedule;
  return { ...timer, schedule, since: now, next: schedule.after(now) };
}

export function readProgress(checkpoint: JsonObject | null): Progress {
  const count = checkpoint?.["count"];
  const last = Date.parse(String(checkpoint?.["last_scheduled_at"]));
  return { count: Number.isSafeInteger(count) ? Math.max(0, Number(count)) : 0, last: Number.isNaN(last) ? null : last };
}

export function toCheckpoint(progress: Progress): JsonObject {
  return { count: progress.count, last_scheduled_at: progress.last === null ? null : toIso(progress.last) };
}

export function toIso(time: number): string {
  return new Date(time).toISOString();
}

function makeSchedule(spec: TimerSpec, anchor: number): Schedule {
  switch (spec.kind) {
    case "interval":
      return intervalSchedule(anchor, spec.periodMs);
    case "cron":
      return cronSchedule(spec.expression, spec.timezone);
    case "one_shot":
      return onceSchedule(spec.fireAt);
  }
}

/** A last tick in the future means that the clock was set back meanwhile: ticks at the old places would be taken for repeats. */
function anchorOf(rule: SensorRule, progress: Progress, now: number): number {
  const armedAt = Date.parse(rule.armedAt ?? "");
  const wasSetBack = progress.last !== null && progress.last - now > setBackMs;
  return Number.isNaN(armedAt) || wasSetBack ? now : armedAt;
}
