import { isDeepStrictEqual } from "node:util";
import type { SensorEvent, SensorRule } from "attune";
import { armTimer, fireTimer, type Progress, readProgress, rewindTimer, type Timer } from "./timer.ts";
import { timerEvent } from "./timer-event.ts";

/** Longest sleep: within it a clock that was set is noticed, and it stays far below the 24.8 days setTimeout can count. */
const longestSleepMs = 60_000;

/** The timers of all rules. Every method takes the present time in milliseconds since 1970. */
export interface Timers {
  /** Takes the whole list of rules. Those that stay the same keep their timers untouched. */
  update(rules: readonly SensorRule[], now: number): void;
  /** Fires what is due and gives the events, at most one a rule. */
  fire(now: number): SensorEvent[];
  /** Milliseconds to sleep before `fire` is worth calling again; null when only a change of the rules can bring work. */
  sleepMs(now: number): number | null;
}

/** A rule, and its timer unless its parameters were refused. */
interface Entry {
  readonly rule: SensorRule;
  readonly timer: Timer | null;
}

export function createTimers({ sensorRef, warn }: { sensorRef: string; warn(message: string): void }): Timers {
  let entries = new Map<number, Entry>();

  const arm = (rule: SensorRule, known: Entry | undefined, now: number): Entry => {
    try {
      return { rule, timer: armTimer(rule, newest(known?.timer?.progress, readProgress(rule.checkpoint)), now) };
    } catch (error) {
      warn(`rule ${rule.ref} will not fire: ${error instanceof Error ? error.message : String(error)}`);
      return { rule, timer: null };
    }
  };

  return {
    update(rules, now) {
      const next = new Map<number, Entry>();
      for (const rule of rules) {
        const known = entries.get(rule.id);
        next.set(rule.id, known && isSameTimer(known.rule, rule) ? known : arm(rule, known, now));
      }
      entries = next;
    },
    fire(now) {
      const events: SensorEvent[] = [];
      for (const [id, { rule, timer }] of entries) {
        if (!timer) continue;
        const current = rewindTimer(timer, now);
        const fired = fireTimer(current, now);
        if (fired) events.push(timerEvent(fired.timer, fired.tick, now, sensorRef));
        const changed = fired?.timer ?? current;
        if (changed !== timer) entries.set(id, { rule, timer: changed });
      }
      return events;
    },
    sleepMs(now) {
      let next = Number.POSITIVE_INFINITY;
      for (const { timer } of entries.values()) if (timer?.next != null && timer.next < next) next = timer.next;
      return next === Number.POSITIVE_INFINITY ? null : Math.min(Math.max(next - now, 0), longestSleepMs);
    },
  };
}

function isSameTimer(a: SensorRule, b: SensorRule): boolean {
  return a.ref === b.ref && a.trigger === b.trigger && a.armedAt === b.armedAt && isDeepStrictEqual(a.params, b.params);
}

/** The checkpoint in a list of rules can be older than the events this process has emitted since. */
function newest(own: Progress | undefined, stored: Progress): Progress {
  return own && own.count >= stored.count ? own : stored;
}
