import { setTimeout as sleep } from "node:timers/promises";
import { createBatcher } from "../batches.ts";
import { AttuneError, toError } from "../errors.ts";
import type { Logger, Sql, Storage } from "../plugin.ts";
import { settleAll } from "../settle.ts";
import type { JobQueue } from "./queue.ts";
import { type FinishedExecution, markFinished } from "./store.ts";

/** Stores how executions ended, together with their jobs. */
export interface Recorder {
  /** Resolves with true once it is stored, and with false when the database can't take it at all. */
  store(finished: FinishedExecution): Promise<boolean>;
  /** Results whose transaction has not begun yet. */
  readonly unsent: number;
  /** No more waiting for a database that is away: what is not stored now is not stored by this daemon. */
  giveUp(): void;
}

const retryAfter = 1_000;

export function createRecorder(options: {
  readonly storage: Storage;
  readonly queue: JobQueue;
  readonly owner: string;
  readonly log: Logger;
  /** Takes the next jobs in the transaction that stores results, when some wait for the slots that came free. */
  readonly claimNext: (tx: Sql) => Promise<{ settle(committed: boolean): void }> | undefined;
}): Recorder {
  const { storage, queue, owner, log } = options;
  const givenUp = new AbortController();
  let unsent = 0;
  const lost = new WeakSet<FinishedExecution>();

  async function storeAndClaim(batch: readonly FinishedExecution[], ids: readonly string[]): Promise<void> {
    let claim: { settle(committed: boolean): void } | undefined;
    let committed = false;
    try {
      await storage.transaction(async (tx) => {
        const claimed = options.claimNext(tx)?.then((taken) => (claim = taken));
        await settleAll([markFinished(tx, batch, owner), queue.complete(tx, ids), claimed]);
      });
      committed = true;
    } finally {
      claim?.settle(committed);
    }
  }

  /** A result exists only here until it is stored, so this goes on until the database answers. */
  async function write(batch: readonly FinishedExecution[]): Promise<void> {
    const ids = batch.map((one) => one.id);
    for (;;) {
      try {
        return await storeAndClaim(batch, ids);
      } catch (thrown) {
        const error = toError(thrown);
        if (!(error instanceof AttuneError && error.retryable) || givenUp.signal.aborted) throw error;
        log.warn("cannot store results yet; trying again", { error: error.message });
        await sleep(retryAfter, undefined, { signal: givenUp.signal }).catch(() => {}); // Given up: one last try.
      }
    }
  }

  /** One result the database can't take must neither hold up its neighbours nor leave its own row running for ever. */
  async function writeAlone(one: FinishedExecution): Promise<void> {
    try {
      await write([one]).catch((reason) => write([withoutResult(one, toError(reason))]));
    } catch (thrown) {
      lost.add(one);
      log.error("the end of an execution could not be stored", { execution: one.id, error: toError(thrown).message });
    }
  }

  const store = createBatcher<FinishedExecution>({
    max: 64,
    async run(batch) {
      unsent -= batch.length;
      try {
        await write(batch);
      } catch (thrown) {
        log.error("a result can't be stored as it is", { error: toError(thrown).message });
        for (const one of batch) await writeAlone(one);
      }
    },
  });

  return {
    get unsent() {
      return unsent;
    },
    async store(finished) {
      unsent++;
      await store(finished);
      return !lost.has(finished);
    },
    giveUp: () => givenUp.abort(),
  };
}

function withoutResult(finished: FinishedExecution, reason: Error): FinishedExecution {
  const error = `the result could not be stored: ${reason.message}`;
  return { ...finished, result: { succeeded: finished.status === "completed", error }, error, output: [] };
}
