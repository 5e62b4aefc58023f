import { toError } from "../errors.ts";
import type { JobQueue } from "../executions/queue.ts";
import type { Logger, Sql, Storage } from "../plugin.ts";
import type { Action } from "../registry.ts";

/**
 * Executions whose environment is being made wait without a job: they are `scheduled`, hold no slot and survive a restart.
 * When the environment is ready, or can't be made, they get their jobs.
 */
export interface Held {
  /** As of the queue; what has to wait, and is not said to be running, is left out. */
  enqueue(
    tx: Sql,
    executions: readonly { readonly id: string; readonly action: Action; readonly running?: boolean }[],
  ): ReturnType<JobQueue["enqueue"]>;
  /** Those of the executions that need not wait. */
  ready<E extends { readonly action: Action }>(executions: readonly E[]): readonly E[];
  /** To be called after the end of a transaction that may have enqueued. */
  settled(tx: Sql): void;
  /** What claims within such a transaction, with {@link settled} at its end. */
  within(tx: Sql, claim: Claim): ReturnType<Claim>;
  /** Gives jobs to those that need not wait any more. */
  release(): Promise<void>;
  /** An environment stands differently: releases in the background. */
  changed(): void;
}

type Claim = (tx: Sql) => Promise<{ settle(committed: boolean): void }>;

/** Seconds, for the job of an action that is gone: it ends as soon as it is taken. */
const aDay = 86_400;

export function createHeld(options: {
  readonly storage: Storage;
  readonly queue: JobQueue;
  readonly mustWait: (action: Action) => boolean;
  /** undefined: nothing serves that ref any more. */
  readonly action: (ref: string) => Action | undefined;
  readonly expireInSeconds: (action: Action) => number;
  /** There are jobs. */
  readonly wake: () => void;
  readonly log: Logger;
}): Held {
  const { storage, queue, log } = options;
  let changes = 0;
  /** After how many changes it was decided in a transaction to let something wait. */
  const heldAfter = new WeakMap<Sql, number>();
  let releasing: Promise<void> = Promise.resolve();

  async function releaseNow(): Promise<void> {
    const released = await storage.transaction(async (tx) => {
      const waiting = await queue.withoutJob(tx);
      const due = waiting.flatMap(({ id, action: ref }) => {
        const action = options.action(ref);
        return action && options.mustWait(action)
          ? []
          : [{ id, expireInSeconds: action ? options.expireInSeconds(action) : aDay }];
      });
      if (due.length > 0) await queue.enqueue(tx, due).done;
      return due.length;
    });
    if (released > 0) options.wake();
  }

  const api: Held = {
    enqueue(tx, executions) {
      const due = executions.filter(({ action, running }) => running || !options.mustWait(action));
      if (due.length < executions.length) heldAfter.set(tx, changes);
      if (due.length === 0) return { sent: Promise.resolve(), done: Promise.resolve() };
      return queue.enqueue(
        tx,
        due.map(({ id, action, running = false }) => ({ id, expireInSeconds: options.expireInSeconds(action), running })),
      );
    },
    ready: (executions) => executions.filter(({ action }) => !options.mustWait(action)),
    settled(tx) {
      const after = heldAfter.get(tx);
      heldAfter.delete(tx);
      // It was decided before the environment was ready, and committed after those that waited were released.
      if (after !== undefined && after !== changes) api.changed();
    },
    async within(tx, claim) {
      const claimed = await claim(tx);
      return {
        settle(committed) {
          claimed.settle(committed);
          api.settled(tx);
        },
      };
    },
    release() {
      const next = releasing.then(releaseNow);
      releasing = next.catch(() => {});
      return next;
    },
    changed() {
      changes++;
      void api
        .release()
        .catch((thrown) =>
          log.warn("executions that waited for their environment wait on; trying again", { error: toError(thrown).message }),
        );
    },
  };
  return api;
}
