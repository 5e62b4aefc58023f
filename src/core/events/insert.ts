import type { ClaimedExecution } from "../executions/store.ts";
import { enforcementId, executionId } from "../ids.ts";
import { jsonText, storableText } from "../json.ts";
import type { EventMessage, JsonObject, Sql } from "../plugin.ts";
import type { Verdict } from "./handle.ts";

/** One statement for all tables: what follows from an event is only stored when the event itself is new. */
const insertText = `
  WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
      AS e (id, trigger_ref, sensor_ref, rule_ref, payload, created)
  ), new AS (
    INSERT INTO event (id, trigger_ref, sensor_ref, rule_ref, payload, created)
    SELECT id, trigger_ref, sensor_ref, rule_ref, payload::jsonb, created FROM given
    ON CONFLICT (id) DO NOTHING RETURNING id
  ), verdict AS (
    SELECT v.* FROM unnest($7::uuid[], $8::uuid[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::uuid[], $14::text[], $15::text[], $16::text[], $21::boolean[])
      AS v (id, event_id, rule_id, rule_ref, status, reason, execution_id, action_ref, parameters, snapshot, running)
    JOIN new ON new.id = v.event_id
  ), enforced AS (
    INSERT INTO enforcement (id, event_id, rule_id, rule_ref, status, reason)
    SELECT id, event_id, rule_id, rule_ref, status, reason FROM verdict
  ), remembered AS (
    INSERT INTO checkpoint AS c (rule_id, sensor_ref, state)
    SELECT k.rule_id, k.sensor_ref, k.state::jsonb FROM unnest($17::uuid[], $18::bigint[], $19::text[], $20::text[])
      AS k (event_id, rule_id, sensor_ref, state)
    JOIN new ON new.id = k.event_id
    ON CONFLICT (rule_id) DO UPDATE SET sensor_ref = excluded.sensor_ref, state = excluded.state, updated = now()
  ), executed AS (
    INSERT INTO execution (id, action_ref, rule_ref, event_id, enforcement_id, status, parameters, snapshot, owner, started, attempt)
    SELECT execution_id, action_ref, rule_ref, event_id, id, CASE WHEN running THEN 'running' ELSE 'scheduled' END, parameters::jsonb,
      snapshot, CASE WHEN running THEN $22::uuid END, CASE WHEN running THEN clock_timestamp() END, CASE WHEN running THEN 1 ELSE 0 END
    FROM verdict WHERE execution_id IS NOT NULL
    RETURNING id, action_ref, rule_ref, event_id, parameters, attempt, snapshot, status
  )
  SELECT x.id, x.action_ref AS action, x.rule_ref AS rule, x.event_id AS event, g.trigger_ref AS trigger, x.parameters, x.attempt, x.snapshot
  FROM executed x JOIN given g ON g.id = x.event_id WHERE x.status = 'running'`;

/** Stores everything; resolves with the executions among `running` that were made, and not only met again. */
export async function insertEvents(
  tx: Sql,
  events: readonly EventMessage[],
  verdicts: readonly Verdict[][],
  { running, owner }: { running: ReadonlySet<string>; owner: string },
): Promise<readonly ClaimedExecution[]> {
  if (events.length === 0) return [];
  const rows = events.flatMap((event, i) => (verdicts[i] ?? []).map((verdict) => ({ event, verdict })));
  // Only the last checkpoint of a rule in a batch: a statement can't update one row twice.
  const checkpoints = new Map<number, { event: EventMessage; state: JsonObject }>();
  for (const { event, verdict } of rows) {
    if (event.checkpoint && event.rule === verdict.rule.definition.ref) {
      checkpoints.set(verdict.rule.id, { event, state: event.checkpoint });
    }
  }
  const remembered = [...checkpoints];
  const executionIds = rows.map(({ event, verdict }) =>
    verdict.status === "fired" ? executionId(event.id, verdict.rule.id) : null,
  );
  const { rows: made } = await tx.query<ClaimedExecution>(insertText, [
    events.map((event) => event.id),
    events.map((event) => event.trigger),
    events.map((event) => event.sensor),
    events.map((event) => event.rule),
    events.map((event) => jsonText(event.payload)),
    events.map((event) => event.at),
    rows.map(({ event, verdict }) => enforcementId(event.id, verdict.rule.id)),
    rows.map(({ event }) => event.id),
    rows.map(({ verdict }) => verdict.rule.id),
    rows.map(({ verdict }) => verdict.rule.definition.ref),
    rows.map(({ verdict }) => verdict.status),
    rows.map(({ verdict }) => (verdict.status === "fired" ? null : storableText(verdict.reason))),
    executionIds,
    rows.map(({ verdict }) => (verdict.status === "fired" ? verdict.action.ref : null)),
    rows.map(({ verdict }) => (verdict.status === "fired" ? jsonText(verdict.parameters) : null)),
    rows.map(({ verdict }) => (verdict.status === "fired" ? verdict.snapshot : null)),
    remembered.map(([, { event }]) => event.id),
    remembered.map(([ruleId]) => ruleId),
    remembered.map(([, { event }]) => event.sensor),
    remembered.map(([, { state }]) => jsonText(state)),
    executionIds.map((id) => id !== null && running.has(id)),
    owner,
  ]);
  return made;
}
