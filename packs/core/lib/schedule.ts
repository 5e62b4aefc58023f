import { Cron } from "croner";

/** The times at which a timer ticks; all in milliseconds since 1970. */
export interface Schedule {
  /** The first tick later than `time`, or null when there is none. */
  after(time: number): number | null;
  /** The last tick not later than `time`, or null when there is none. */
  latest(time: number): number | null;
}

/** Ticks at `anchor + n x periodMs`. They depend on nothing else, so neither late wake-ups nor restarts make them drift. */
export function intervalSchedule(anchor: number, periodMs: number): Schedule {
  const latest = (time: number) => anchor + Math.floor((time - anchor) / periodMs) * periodMs;
  return { latest, after: (time) => latest(time) + periodMs };
}

export function onceSchedule(at: number): Schedule {
  return { after: (time) => (time < at ? at : null), latest: (time) => (time < at ? null : at) };
}

/**
 * Five fields, or six with seconds first, in an IANA time zone. Throws an Error that says what is wrong with them.
 *
 * When clocks change: hours that are listed (`30 2 * * *`, `0 2,14 * * *`) tick once a day; a skipped time ticks at the
 * first valid moment after the gap, and of a repeated one only the first ticks. With a `*` or a step in seconds, minutes
 * or hours the ticks follow elapsed time: skipped ones do not happen, repeated ones happen twice.
 */
export function cronSchedule(expression: string, timezone: string): Schedule {
  if (!/^@(yearly|annually|monthly|weekly|daily|hourly)$/i.test(expression)) {
    const fields = expression.trim().split(/\s+/).length;
    if (fields !== 5 && fields !== 6)
      throw new Error(`expression ${JSON.stringify(expression)} has ${fields} fields; use 5 or 6`);
  }
  const cron = parseCron(expression, timezone);
  const schedule: Schedule = {
    after: (time) => cron.nextRun(new Date(time))?.getTime() ?? null,
    // croner looks strictly before the second it is given
    latest: (time) => cron.previousRuns(1, new Date(Math.floor(time / 1000) * 1000 + 1000))[0]?.getTime() ?? null,
  };
  return schedule;
}

function parseCron(expression: string, timezone: string): Cron {
  try {
    return new Cron(expression, { timezone, mode: "5-or-6-parts", fixedTimeRule: "no-wildcard", paused: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Cron\w+: /, "") : String(error);
    throw new Error(`expression ${JSON.stringify(expression)} is not a cron expression: ${reason}`);
  }
}
