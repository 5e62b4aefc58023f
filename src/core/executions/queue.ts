import { PgBoss } from "pg-boss";
import { newId } from "../ids.ts";
import type { Scope, Sql, Storage } from "../plugin.ts";

const schema = "attune_boss";
const queueName = "execution";

/**
 * The jobs of the executions, in pg-boss. A job's id is its execution's. Every call joins the caller's transaction, so a
 * job and its execution's row always change together. Retries are not pg-boss's: `retryLimit` is 0.
 */
export interface JobQueue {
  /** `sent` resolves once the statement is on its way, so that one after it, sent without waiting, sees the jobs. */
  enqueue(tx: Sql, jobs: readonly QueuedJob[]): { readonly sent: Promise<void>; readonly done: Promise<void> };
  /** Takes up to `count` jobs, oldest first; they belong to the caller once its transaction has committed. */
  claim(tx: Sql, count: number): Promise<string[]>;
  /** Scheduled executions that no job was enqueued for. */
  withoutJob(tx: Sql): Promise<{ readonly id: string; readonly action: string }[]>;
  /** Ends jobs, whether they were claimed or still waiting. */
  complete(tx: Sql, ids: readonly string[]): Promise<void>;
}
export interface QueuedJob {
  readonly id: string;
  /** Seconds after which pg-boss itself gives a claimed job up; must exceed the time the action may take. */
  readonly expireInSeconds: number;
  /** Its execution is stored as running by whoever enqueues: nobody else is to take it before it has expired. */
  readonly running?: boolean;
}

/** pg-boss refuses more than a day. */
const longestExpiry = 86_400;

/** Prepares pg-boss in its own schema and starts its maintenance, which ends with the scope. */
export async function openQueue(storage: Storage, scope: Scope): Promise<JobQueue> {
  const boss = new PgBoss({
    schema,
    db: pgBossDatabase(storage),
    schedule: false,
    supervise: true,
    warningQueueSize: 100_000,
  });
  // Without a listener, an error of its maintenance would end the process.
  boss.on("error", (error) => scope.log.warn("the upkeep of the job queue failed and is tried again", { reason: error.message }));
  boss.on("warning", (warning) => scope.log.warn("the job queue warns", { reason: warning.message }));
  scope.defer(() => boss.stop({ graceful: false }));
  await boss.start();
  if ((await boss.getQueue(queueName)) === null) {
    await boss.createQueue(queueName, { retryLimit: 0, retentionSeconds: 30 * 86_400, deleteAfterSeconds: 7 * 86_400 });
    await storage.transaction((tx) => showPlanner(boss, tx));
  }

  return {
    enqueue(tx, jobs) {
      const list = jobs.map(({ id, expireInSeconds, running }) => ({
        id,
        expireInSeconds: Math.min(longestExpiry, expireInSeconds),
        ...(running && { startAfter: expireInSeconds }),
      }));
      const sent = Promise.withResolvers<void>();
      const done = boss.insert(queueName, list, { db: transactionDatabase(tx, sent.resolve) }).then(() => {});
      return { sent: Promise.race([sent.promise, done]), done };
    },
    async claim(tx, count) {
      const jobs = await boss.fetch(queueName, { batchSize: count, db: transactionDatabase(tx) });
      return jobs.map((job) => job.id);
    },
    async withoutJob(tx) {
      const { rows } = await tx.query<{ id: string; action: string }>(
        `SELECT x.id, x.action_ref AS action FROM execution x WHERE x.status = 'scheduled' AND x.finished IS NULL
           AND NOT EXISTS (SELECT FROM ${schema}.job j WHERE j.name = $1 AND j.id = x.id) ORDER BY x.created, x.id`,
        [queueName],
      );
      return rows;
    },
    async complete(tx, ids) {
      await boss.complete(queueName, [...ids], null, { db: transactionDatabase(tx), includeQueued: true });
    },
  };
}

/**
 * Lets the planner see once that all jobs are of one queue. Without statistics it takes an index by queue alone for as good
 * as the primary key, and each session's prepared statements then read every job there is, until the first autoanalyze. No
 * later analyze of a table that is empty again forgets it.
 */
async function showPlanner(boss: PgBoss, tx: Sql): Promise<void> {
  const jobs = Array.from({ length: 100 }, () => ({ id: newId() }));
  await boss.insert(queueName, jobs, { db: transactionDatabase(tx) });
  await tx.query(`ANALYZE ${schema}.job`);
  await tx.query(`DELETE FROM ${schema}.job WHERE name = $1`, [queueName]);
}

/** What pg-boss's own upkeep runs on. It sends several statements in one text with an empty list of values. */
export function pgBossDatabase(sql: Sql) {
  return {
    executeSql: (text: string, values: unknown[] = []) => sql.query<never>(text, values.length === 0 ? undefined : values),
  };
}

/** What runs for every event and execution is one statement each time, long and worth being planned once. */
function transactionDatabase(tx: Sql, sent?: () => void) {
  return {
    executeSql(text: string, values: unknown[] = []) {
      const answer = tx.query<never>(text, values);
      sent?.();
      return answer;
    },
  };
}
