import { AttuneError } from "../errors.ts";
import type { EnvironmentPlace, Identity } from "./identity.ts";
import type { Made } from "./store.ts";
import { createTail, type Tail } from "./tail.ts";

/** How the environment of a component stands. */
export type Standing =
  /** `dir` is null when it needs none. */
  | { readonly status: "ready"; readonly dir: string | null }
  | { readonly status: "making" }
  | { readonly status: "failed"; readonly reason: string };

/** What the API shows of an environment. */
export interface EnvironmentView {
  readonly pack: string;
  readonly runtime: string;
  /** Of the interpreter. */
  readonly version: string | null;
  /** `outdated`: the one before is in use, since the present one could not be made. */
  readonly status: "waiting" | "making" | "ready" | "outdated" | "failed" | "removed";
  /** The directory in use. */
  readonly path: string | null;
  /** Bytes of its files. */
  readonly size: number | null;
  /** RFC 3339 */
  readonly made: string | null;
  /** What is being done, or why it could not be made. */
  readonly reason: string | null;
  /** The last lines of the installer, while it works and after it failed. */
  readonly output: readonly string[];
}

/** The environment of one pack for one interpreter, and what is being done about it. */
export interface Slot {
  place: EnvironmentPlace;
  /** undefined: nobody has looked yet; null: the pack asks for nothing. */
  identity: Identity | null | undefined;
  /** The one in use. */
  used: Made | null;
  /** Hash of an identity for which there was nothing to install. */
  nothing: string | null;
  failure: { readonly reason: string; readonly output: readonly string[] } | null;
  work: Work | null;
  /** Resolves when something about it has changed. */
  change: PromiseWithResolvers<void>;
}
/** The making of one environment. */
export interface Work {
  readonly hash: string;
  readonly controller: AbortController;
  readonly tail: Tail;
  doing: string;
  /** Aborted with it, and `seconds` from now with a message for the operator. */
  limited(seconds: number): AbortSignal;
}

const keptLines = 200;

export function newSlot(place: EnvironmentPlace): Slot {
  return {
    ...{ place, identity: undefined, used: null, nothing: null, failure: null, work: null },
    change: Promise.withResolvers(),
  };
}

const waiting = "waiting for others";

export function newWork(hash: string): Work {
  const controller = new AbortController();
  return {
    ...{ hash, controller, tail: createTail(keptLines), doing: waiting },
    limited(seconds) {
      const late = new AttuneError("RUNTIME_UNAVAILABLE", `it took longer than ${seconds} s and was ended`, {
        hint: "environments.timeout in attune.config.ts allows more",
      });
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(late), seconds * 1_000);
      timer.unref();
      return AbortSignal.any([controller.signal, limit.signal]);
    },
  };
}

/** Undefined: it was removed, and is to be made again. Pure. */
export function standingOf(slot: Slot): Standing | undefined {
  const { identity } = slot;
  if (identity === null || (identity !== undefined && slot.nothing === identity.hash)) return { status: "ready", dir: null };
  if (slot.used) return { status: "ready", dir: slot.used.dir };
  if (slot.failure) return { status: "failed", reason: `environment of ${slot.place.pack}: ${slot.failure.reason}` };
  return identity === undefined || slot.work ? { status: "making" } : undefined;
}

/** Null for a pack that needs none. */
export function viewOf(slot: Slot): EnvironmentView | null {
  const standing = standingOf(slot);
  if (standing?.status === "ready" && standing.dir === null && !slot.work) return null;
  const { used, work, failure, place } = slot;
  return {
    pack: place.pack,
    runtime: place.runtime.name,
    version: place.interpreter.version ?? null,
    status: work
      ? work.doing === waiting
        ? "waiting"
        : "making"
      : failure
        ? used
          ? "outdated"
          : "failed"
        : used
          ? "ready"
          : slot.identity === undefined
            ? "waiting"
            : "removed",
    path: used?.dir ?? null,
    size: used?.bytes ?? null,
    made: used?.made ?? null,
    reason: work ? [work.doing, ...work.tail.lines().slice(-1)].join(": ") : (failure?.reason ?? null),
    output: work ? work.tail.lines() : (failure?.output ?? []),
  };
}
