import type { Rows, Sql, Storage } from "../../../core/plugin.ts";
import type { Connection } from "./connection.ts";
import type { Pool } from "./pool.ts";

/** The storage on a pool of sessions: each statement takes one, each transaction keeps one. */
export function createStorage(pool: Pool, description: string): Storage {
  return {
    description,
    async query<R>(text: string, values?: readonly unknown[]): Promise<Rows<R>> {
      const connection = await pool.acquire();
      try {
        return await connection.query<R>(text, values);
      } finally {
        pool.release(connection);
      }
    },
    async transaction<T>(run: (tx: Sql) => Promise<T>): Promise<T> {
      const connection = await pool.acquire();
      try {
        return await runTransaction(connection, run);
      } finally {
        pool.release(connection);
      }
    },
  };
}

/**
 * What is written is found by its key. A plan made while a table is small would read all of it, and a session keeps such a plan
 * while the table grows, until an analyze; planned anew each time, a statement takes about as long to plan as to run.
 */
const begin = "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan";

/**
 * BEGIN, the statements `run` issues and COMMIT are sent as they come, so that a transaction whose statements don't depend
 * on one another takes a single round trip. A failed statement whose promise nobody looked at fails the transaction too.
 */
async function runTransaction<T>(connection: Connection, run: (tx: Sql) => Promise<T>): Promise<T> {
  let failure: unknown;
  let over = false;

  function issue<R>(text: string, values?: readonly unknown[]) {
    const answer = connection.query<R>(text, values);
    answer.catch((thrown: unknown) => {
      failure ??= thrown;
    });
    return answer;
  }
  const tx: Sql = {
    // Not async: a promise of its own around the answer would reject unseen when the caller does not wait for it.
    query<R>(text: string, values?: readonly unknown[]) {
      if (over) return Promise.reject(new Error("the transaction is over: a statement came after its function had returned"));
      return issue<R>(text, values);
    },
  };

  // Statements in one packet wake the server once; each alone would wake it for itself.
  const flush = connection.hold();
  const begun = issue(begin);
  try {
    const result = await run(tx);
    over = true;
    const ending = issue("COMMIT");
    flush();
    const end = await ending;
    await begun;
    // PostgreSQL answers COMMIT with ROLLBACK, not with an error, when a statement failed before.
    if (end.command !== "COMMIT") throw failure ?? new Error("PostgreSQL rolled the transaction back");
    return result;
  } catch (thrown) {
    over = true;
    await issue("ROLLBACK").catch(() => {
      // The session is lost, and with it the transaction.
    });
    throw thrown;
  }
}
