import { jsonText } from "../json.ts";
import type { ExecutionStatus, JsonObject, Sql } from "../plugin.ts";
import { settleAll } from "../settle.ts";

/** What the executor needs to know of an execution it has claimed. */
export interface ClaimedExecution {
  readonly id: string;
  readonly action: string;
  readonly rule: string | null;
  readonly event: string | null;
  readonly trigger: string | null;
  readonly parameters: JsonObject;
  readonly attempt: number;
  /** Content hash of the pack it was made with. */
  readonly snapshot: string | null;
}

/** How an execution ended. */
export interface FinishedExecution {
  readonly id: string;
  readonly status: ExecutionStatus;
  readonly result: JsonObject;
  readonly exitCode: number | null;
  readonly error: string | null;
  readonly output: readonly { readonly stream: "stdout" | "stderr"; readonly content: Buffer; readonly totalBytes: number }[];
}

/** Stores an execution that no rule asked for. */
export async function insertManual(
  tx: Sql,
  execution: { id: string; action: string; parameters: JsonObject; snapshot: string | null },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    "INSERT INTO execution (id, action_ref, status, parameters, snapshot) VALUES ($1, $2, 'scheduled', $3, $4) ON CONFLICT (id) DO NOTHING",
    [execution.id, execution.action, jsonText(execution.parameters), execution.snapshot],
  );
  return rowCount === 1;
}

/** What the executor has to know, of the row `x`. */
const claimedColumns = `x.id, x.action_ref AS action, x.rule_ref AS rule, x.event_id AS event, x.parameters, x.attempt, x.snapshot,
  (SELECT e.trigger_ref FROM event e WHERE e.id = x.event_id) AS trigger`;

/** Moves claimed executions to running. What is not scheduled any more (cancelled, already run) is left out. */
export async function markRunning(tx: Sql, ids: readonly string[], owner: string): Promise<ClaimedExecution[]> {
  const { rows } = await tx.query<ClaimedExecution>(
    `UPDATE execution x SET status = 'running', owner = $2, started = clock_timestamp(), attempt = attempt + 1
     WHERE id = ANY($1::uuid[]) AND status = 'scheduled'
     RETURNING ${claimedColumns}`,
    [ids, owner],
  );
  return rows;
}

/** Which of these are running for this owner. Waits for a transaction that is still at work on one of them. */
export async function stillRunning(tx: Sql, ids: readonly string[], owner: string): Promise<ClaimedExecution[]> {
  const { rows } = await tx.query<ClaimedExecution>(
    `SELECT ${claimedColumns} FROM execution x WHERE x.id = ANY($1::uuid[]) AND x.status = 'running' AND x.owner = $2 FOR UPDATE`,
    [ids, owner],
  );
  return rows;
}

/** Stores how executions ended, if this owner still has them. Statements go out together; the caller commits. */
export async function markFinished(tx: Sql, finished: readonly FinishedExecution[], owner: string): Promise<void> {
  const statements: Promise<unknown>[] = [
    tx.query(
      `UPDATE execution x SET status = f.status, result = f.result::jsonb, exit_code = f.exit_code, error = f.error, finished = clock_timestamp()
       FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[]) AS f (id, status, result, exit_code, error)
       WHERE x.id = f.id AND x.status = 'running' AND x.owner = $6`,
      [
        finished.map((one) => one.id),
        finished.map((one) => one.status),
        finished.map((one) => jsonText(one.result)),
        finished.map((one) => one.exitCode),
        finished.map((one) => one.error),
        owner,
      ],
    ),
  ];
  for (const one of finished) {
    for (const { stream, content, totalBytes } of one.output) {
      statements.push(
        tx.query(
          `INSERT INTO execution_output (execution_id, stream, content, total_bytes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
          [one.id, stream, content, totalBytes],
        ),
      );
    }
  }
  await settleAll(statements);
}

/**
 * Settles what an earlier daemon was running when it died. Nobody knows how far it came, so it is `abandoned` and not run
 * again. Returns the ids, whose jobs the caller ends in the same transaction.
 */
export async function abandonRunning(tx: Sql, owner: string): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `UPDATE execution SET status = 'abandoned', finished = clock_timestamp(), error = 'the daemon that ran it ended'
     WHERE status = 'running' AND finished IS NULL AND owner <> $1 RETURNING id`,
    [owner],
  );
  return rows.map((row) => row.id);
}

/** The actions of unfinished executions, with the versions of packs they were made with. */
export async function openVersions(sql: Sql): Promise<{ readonly action: string; readonly snapshot: string }[]> {
  const { rows } = await sql.query<{ action: string; snapshot: string }>(
    "SELECT DISTINCT action_ref AS action, snapshot FROM execution WHERE finished IS NULL AND snapshot IS NOT NULL",
  );
  return rows;
}

/** Which of these copies of packs some execution, be it long over, was made with. Reads the whole table. */
export async function snapshotsOfExecutions(sql: Sql, candidates: readonly string[]): Promise<string[]> {
  const { rows } = await sql.query<{ snapshot: string }>(
    "SELECT DISTINCT snapshot FROM execution WHERE snapshot = ANY($1::text[])",
    [[...candidates]],
  );
  return rows.map((row) => row.snapshot);
}

/** The versions of packs that unfinished executions were made with. */
export async function snapshotsInUse(sql: Sql): Promise<string[]> {
  const { rows } = await sql.query<{ snapshot: string }>(
    "SELECT DISTINCT snapshot FROM execution WHERE finished IS NULL AND snapshot IS NOT NULL",
  );
  return rows.map((row) => row.snapshot);
}
