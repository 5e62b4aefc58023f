import { inspect, isDeepStrictEqual } from "node:util";
import { toError } from "../../core/errors.ts";
import type { Awaitable } from "../../core/plugin.ts";

/** One promise that a plugin of some kind makes, as something to be tried. */
export interface Case {
  /** The promise, as a sentence. */
  readonly name: string;
  /** Member of the plugin it is about, as it stands in a plugin file: `launch`, `event:accept`. */
  readonly member: string;
  /** What its author can do when it is not kept. */
  readonly hint: string;
  /** Rejects when the promise is not kept, at the latest a second after `signal` was aborted, with what it waited for. */
  run(signal: AbortSignal): Promise<void>;
}

/** What the body of a case works with: whatever it waits for ends, and is named, when the time is over. */
export interface Trial {
  readonly signal: AbortSignal;
  /** What `promise` settles with. */
  settled<T>(what: string, promise: Awaitable<T>): Promise<T>;
  /** Waits until `condition` holds, looking every few milliseconds. What it throws counts as "not yet". */
  until(what: string, condition: () => Awaitable<boolean>): Promise<void>;
  /** Ends the case with this failure, from wherever it was noticed. */
  fail(error: Error): void;
}

/** Milliseconds that a case which has failed gets to end what it began. */
const unwinding = 1_000;

/** A case whose `run` keeps to its time whatever `body` waits for; only a blocked event loop can hold it up. */
export function makeCase(head: Omit<Case, "run">, body: (trial: Trial) => Awaitable<void>): Case {
  return {
    ...head,
    async run(signal) {
      const began = performance.now();
      const failed = Promise.withResolvers<never>();
      const waitingFor = new Set<{ readonly what: string; readonly last?: unknown }>();
      const timeOver = () => {
        const [first] = waitingFor;
        const last = first?.last === undefined ? "" : `; ${toError(first.last).message}`;
        const seconds = ((performance.now() - began) / 1000).toFixed(1);
        failed.reject(new Error(`waited ${seconds} s for ${first?.what ?? "it to end"}${last}`));
      };
      if (signal.aborted) timeOver();
      signal.addEventListener("abort", timeOver, { once: true });
      const trial: Trial = {
        signal,
        fail: failed.reject,
        async settled(what, promise) {
          const entry = { what };
          waitingFor.add(entry);
          try {
            return await Promise.race([promise, failed.promise]);
          } finally {
            waitingFor.delete(entry);
          }
        },
        async until(what, condition) {
          const entry: { what: string; last?: unknown } = { what };
          waitingFor.add(entry);
          try {
            while (!(await holds(condition, entry))) await Promise.race([Bun.sleep(5), failed.promise]);
          } finally {
            waitingFor.delete(entry);
          }
        },
      };
      const running = Promise.try(body, trial);
      try {
        await Promise.race([running, failed.promise]);
      } catch (thrown) {
        // What it opened and started ends with it, unless that hangs as well.
        await Promise.race([running.catch(() => {}), Bun.sleep(unwinding)]);
        throw thrown;
      } finally {
        signal.removeEventListener("abort", timeOver);
      }
    },
  };
}

async function holds(condition: () => Awaitable<boolean>, entry: { last?: unknown }): Promise<boolean> {
  try {
    delete entry.last;
    return await condition();
  } catch (thrown) {
    entry.last = thrown;
    return false;
  }
}

/** What a promise rejects with. Throws when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: unknown; retryable?: unknown }> {
  let value: unknown;
  try {
    value = await promise;
  } catch (thrown) {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  throw new Error(`expected a rejection, but it resolved with ${JSON.stringify(value)}`);
}

/** Throws unless both are the same, deeply and with their prototypes; the message shows both on one line. */
export function same(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  const shown = (value: unknown) => inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 6 }).slice(0, 300);
  throw new Error(`${what} is ${shown(actual)} instead of ${shown(expected)}`);
}

/** By name: a script that tries a plugin has another copy of the class than this module. */
export function isAttuneError(error: Error): error is Error & { readonly code: string; readonly retryable: boolean } {
  return error.name === "AttuneError";
}
