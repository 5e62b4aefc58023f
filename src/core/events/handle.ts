import { AttuneError, describeError, toError } from "../errors.ts";
import type { JobQueue } from "../executions/queue.ts";
import { enforcementId, executionId } from "../ids.ts";
import { jsonText, storableText } from "../json.ts";
import type { Enforcement, EventMessage, ExecutionPlan, JsonObject, Logger, Sql, Storage } from "../plugin.ts";
import {
  type Action,
  type EventView,
  findAction,
  findTrigger,
  isActive,
  type Registry,
  type Rule,
  snapshotOf,
} from "../registry.ts";
import { settleAll } from "../settle.ts";
import { reject } from "./rejected.ts";

export interface HandlerOptions {
  readonly storage: Storage;
  readonly registry: () => Registry;
  /** Applies defaults and checks; throws PARAMETERS_INVALID. */
  readonly checkParameters: (action: Action, values: JsonObject) => JsonObject;
  readonly packConfig: (pack: string) => JsonObject;
  readonly enqueue: (
    tx: Sql,
    executions: readonly { readonly id: string; readonly action: Action }[],
  ) => ReturnType<JobQueue["enqueue"]>;
  /** Takes jobs for free slots within the same transaction. */
  readonly claim: (tx: Sql) => Promise<{ settle(committed: boolean): void }>;
  readonly accepted: (event: EventMessage) => void;
  /** Lets plugins change or refuse (null) an execution before it is recorded; undefined while none wants to. */
  readonly plan: () => ((plan: ExecutionPlan) => Promise<ExecutionPlan | null>) | undefined;
  /** To be told of each verdict once it is stored; undefined while nobody wants to know. */
  readonly enforced: () => ((enforcement: Enforcement) => void) | undefined;
  readonly log: Logger;
}

/** One rule's verdict on one event, ready to be stored. */
export type Verdict =
  | {
      readonly status: "fired";
      readonly rule: Rule;
      readonly action: Action;
      readonly parameters: JsonObject;
      readonly snapshot: string | null;
    }
  | { readonly status: "unmatched" | "failed"; readonly rule: Rule; readonly reason: string };

/**
 * Handles events, a batch in one transaction: stores them, judges every rule of their triggers, stores each verdict,
 * and creates and enqueues the executions. An event that is already stored changes nothing, so handing one over twice is
 * harmless. Rejects with a retryable error when the database is away; an event the database can't take is put aside in
 * `rejected_event` instead.
 */
export function createEventHandler(options: HandlerOptions): (batch: readonly EventMessage[]) => Promise<void> {
  async function handleTogether(batch: readonly EventMessage[]): Promise<void> {
    const registry = options.registry();
    // The first of an id counts, here as across batches.
    const unique = [...new Map(batch.toReversed().map((event) => [event.id, event])).values()].toReversed();
    const isKnown = (event: EventMessage) => findTrigger(registry, event.trigger) !== undefined;
    const known = unique.filter(isKnown);
    const unknown = unique.filter((event) => !isKnown(event));
    const judged = known.map((event) => judge(options, registry, event));
    const plan = options.plan();
    const verdicts = plan ? await Promise.all(judged.map((all, i) => withPlans(options, plan, known[i], all))) : judged;
    let claim: { settle(committed: boolean): void } | undefined;
    let committed = false;
    try {
      await options.storage.transaction(async (tx) => {
        const fired = known.flatMap((event, i) =>
          (verdicts[i] ?? []).flatMap((verdict) =>
            verdict.status === "fired" ? [{ id: executionId(event.id, verdict.rule.id), action: verdict.action }] : [],
          ),
        );
        // All sent without waiting for each other. Jobs of events that turn out to be stored already meet their own ids and
        // change nothing.
        const others = unknown.map((event) =>
          reject(tx, event.sensor ?? "api", JSON.stringify(event), `there is no trigger ${event.trigger}`),
        );
        const stored = insert(tx, known, verdicts);
        const queued = fired.length > 0 ? options.enqueue(tx, fired) : undefined;
        // Jobs can only be taken by a statement that goes out after the one that brings them.
        await queued?.sent.catch(() => {});
        const claimed = queued && options.claim(tx).then((taken) => (claim = taken));
        await settleAll([stored, queued?.done, claimed, ...others]);
      });
      committed = true;
    } finally {
      claim?.settle(committed);
    }
    for (const event of known) options.accepted(event);
    const enforced = options.enforced();
    if (enforced)
      for (const [i, event] of known.entries()) for (const one of verdicts[i] ?? []) enforced(enforcementOf(event, one));
  }

  return async (batch) => {
    try {
      await handleTogether(batch);
    } catch (thrown) {
      if (thrown instanceof AttuneError && thrown.retryable) throw thrown;
      if (batch.length > 1) {
        for (const event of batch) await handleOrPutAside(event);
      } else if (batch[0]) {
        await putAside(batch[0], toError(thrown));
      }
    }
  };

  async function handleOrPutAside(event: EventMessage): Promise<void> {
    try {
      await handleTogether([event]);
    } catch (thrown) {
      if (thrown instanceof AttuneError && thrown.retryable) throw thrown;
      await putAside(event, toError(thrown));
    }
  }

  async function putAside(event: EventMessage, error: Error): Promise<void> {
    options.log.error("an event could not be stored and was put aside", {
      event: event.id,
      trigger: event.trigger,
      error: error.message,
    });
    await reject(options.storage, event.sensor ?? "api", JSON.stringify(event), error.message);
  }
}

type JudgeOptions = Pick<HandlerOptions, "checkParameters" | "packConfig">;

/** What each rule that concerns the event says to it. Pure but for the clock. */
export function judge(options: JudgeOptions, registry: Registry, event: EventMessage): Verdict[] {
  const view: EventView = { id: event.id, trigger: event.trigger, payload: event.payload, created: event.at };
  return rulesFor(registry, event).map((rule) => judgeRule(options, registry, rule, view));
}

/** What one rule says to an event, whether or not it concerns it. A failure is its verdict. */
export function judgeRule(options: JudgeOptions, registry: Registry, rule: Rule, event: EventView): Verdict {
  try {
    const decision = rule.decide(event);
    if (!decision.fires) return { status: "unmatched", rule, reason: decision.reason };
    const action = findAction(registry, rule.definition.action);
    if (!action) return { status: "failed", rule, reason: `there is no action ${rule.definition.action}` };
    if (!action.enabled) return { status: "failed", rule, reason: `action ${action.ref} is disabled` };
    const pack = registry.packs.get(action.pack);
    const snapshot = pack ? (snapshotOf(pack, action.ref)?.hash ?? null) : null;
    const parameters = options.checkParameters(action, renderFor(options, rule, event));
    return { status: "fired", rule, action, parameters, snapshot };
  } catch (thrown) {
    return { status: "failed", rule, reason: describeError(thrown).slice(0, 2_000) };
  }
}

/** The action's parameters as the rule's templates make them of an event, unchecked. Throws EXPRESSION_FAILED. */
export function renderFor({ packConfig }: Pick<HandlerOptions, "packConfig">, rule: Rule, event: EventView): JsonObject {
  return rule.render(event, {
    packConfig: packConfig(rule.definition.pack),
    timestamp: new Date().toISOString(),
    rule: { id: rule.id, ref: rule.definition.ref },
  });
}

/** The verdicts after plugins have seen the executions that would follow; what one refuses fails, as does what it breaks. */
async function withPlans(
  { checkParameters }: Pick<HandlerOptions, "checkParameters">,
  plan: (plan: ExecutionPlan) => Promise<ExecutionPlan | null>,
  event: EventMessage | undefined,
  verdicts: readonly Verdict[],
): Promise<Verdict[]> {
  return Promise.all(
    verdicts.map(async (verdict): Promise<Verdict> => {
      if (!event || verdict.status !== "fired") return verdict;
      const { rule, action, parameters } = verdict;
      try {
        const id = executionId(event.id, rule.id);
        const planned = await plan({ id, action: action.ref, rule: rule.definition.ref, event: event.id, parameters });
        if (!planned) return { status: "failed", rule, reason: "a plugin's execution:plan hook refused it" };
        return planned.parameters === parameters
          ? verdict
          : { ...verdict, parameters: checkParameters(action, planned.parameters) };
      } catch (thrown) {
        return { status: "failed", rule, reason: describeError(thrown).slice(0, 2_000) };
      }
    }),
  );
}

function enforcementOf(event: EventMessage, verdict: Verdict): Enforcement {
  return {
    id: enforcementId(event.id, verdict.rule.id),
    event: event.id,
    rule: verdict.rule.definition.ref,
    trigger: event.trigger,
    status: verdict.status,
    reason: verdict.status === "fired" ? null : verdict.reason,
  };
}

function rulesFor(registry: Registry, event: EventMessage): readonly Rule[] {
  if (event.rule === null) return registry.rulesByTrigger.get(event.trigger) ?? [];
  const rule = registry.rules.get(event.rule);
  return rule && isActive(rule) && rule.definition.trigger === event.trigger ? [rule] : [];
}

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
    SELECT v.* FROM unnest($7::uuid[], $8::uuid[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::uuid[], $14::text[], $15::text[], $16::text[])
      AS v (id, event_id, rule_id, rule_ref, status, reason, execution_id, action_ref, parameters, snapshot)
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
  )
  INSERT INTO execution (id, action_ref, rule_ref, event_id, enforcement_id, status, parameters, snapshot)
  SELECT execution_id, action_ref, rule_ref, event_id, id, 'scheduled', parameters::jsonb, snapshot FROM verdict WHERE execution_id IS NOT NULL`;

async function insert(tx: Sql, events: readonly EventMessage[], verdicts: readonly Verdict[][]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.flatMap((event, i) => (verdicts[i] ?? []).map((verdict) => ({ event, verdict })));
  // Only the last checkpoint of a rule in a batch: a statement can't update one row twice.
  const checkpoints = new Map<number, { event: EventMessage; state: JsonObject }>();
  for (const { event, verdict } of rows) {
    if (event.checkpoint && event.rule === verdict.rule.definition.ref) {
      checkpoints.set(verdict.rule.id, { event, state: event.checkpoint });
    }
  }
  const remembered = [...checkpoints];
  await tx.query(insertText, [
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
    rows.map(({ event, verdict }) => (verdict.status === "fired" ? executionId(event.id, verdict.rule.id) : null)),
    rows.map(({ verdict }) => (verdict.status === "fired" ? verdict.action.ref : null)),
    rows.map(({ verdict }) => (verdict.status === "fired" ? jsonText(verdict.parameters) : null)),
    rows.map(({ verdict }) => (verdict.status === "fired" ? verdict.snapshot : null)),
    remembered.map(([, { event }]) => event.id),
    remembered.map(([ruleId]) => ruleId),
    remembered.map(([, { event }]) => event.sensor),
    remembered.map(([, { state }]) => jsonText(state)),
  ]);
}
