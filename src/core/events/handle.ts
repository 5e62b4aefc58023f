import { AttuneError, describeError, toError } from "../errors.ts";
import type { Reservation } from "../executions/executor.ts";
import type { JobQueue } from "../executions/queue.ts";
import type { ClaimedExecution } from "../executions/store.ts";
import type { HookRunner } from "../hooks.ts";
import { enforcementId, executionId } from "../ids.ts";
import type { Enforcement, EventMessage, JsonObject, Logger, Sql, Storage } from "../plugin.ts";
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
import { insertEvents } from "./insert.ts";
import { reject } from "./rejected.ts";
import { parametersFor, type Rendering } from "./render.ts";

export interface HandlerOptions extends Rendering {
  readonly storage: Storage;
  readonly registry: () => Registry;
  /** Whoever stores an execution as running says so by this. */
  readonly owner: string;
  /** Keeps free slots for executions that can start as soon as they are stored. */
  readonly reserve: (executions: readonly { readonly id: string; readonly action: Action }[]) => Reservation;
  readonly enqueue: (
    tx: Sql,
    executions: readonly { readonly id: string; readonly action: Action; readonly running: boolean }[],
  ) => ReturnType<JobQueue["enqueue"]>;
  /** Takes jobs for free slots within the same transaction. */
  readonly claim: (tx: Sql) => Promise<{ settle(committed: boolean): void }>;
  readonly accepted: (event: EventMessage) => void;
  /** Lets plugins change or, rejecting, refuse an execution before it is recorded; undefined while none wants to. */
  readonly plan: () => HookRunner["plan"] | undefined;
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
    const fired = known.flatMap((event, i) =>
      (verdicts[i] ?? []).flatMap((verdict) =>
        verdict.status === "fired" ? [{ id: executionId(event.id, verdict.rule.id), action: verdict.action }] : [],
      ),
    );
    let direct: Reservation | undefined;
    let made: readonly ClaimedExecution[] = [];
    let claim: { settle(committed: boolean): void } | undefined;
    let answers: Promise<unknown> = Promise.resolve();
    let committed = false;
    try {
      await options.storage.transaction(async (tx) => {
        direct = options.reserve(fired);
        const running = direct.ids;
        // All sent without waiting for each other. Jobs of events that turn out to be stored already meet their own ids and
        // change nothing.
        const others = unknown.map((event) =>
          reject(tx, event.sensor ?? "api", JSON.stringify(event), `there is no trigger ${event.trigger}`),
        );
        const stored = insertEvents(tx, known, verdicts, { running, owner: options.owner }).then((started) => (made = started));
        const jobs = fired.map((one) => ({ ...one, running: running.has(one.id) }));
        const queued = jobs.length > 0 ? options.enqueue(tx, jobs) : undefined;
        let claimed: Promise<unknown> | undefined;
        if (queued && running.size < jobs.length) {
          // Jobs can only be taken by a statement that goes out after the one that brings them.
          await queued.sent.catch(() => {});
          claimed = options.claim(tx).then((taken) => (claim = taken));
        }
        answers = settleAll([stored, queued?.done, claimed, ...others]);
        answers.catch(() => {}); // It fails the transaction.
        // All is sent then, and COMMIT goes out with it instead of waiting for the answers.
        await Promise.all([queued?.sent, claimed]);
      });
      await answers;
      committed = true;
    } finally {
      direct?.settle(committed, made);
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

/** What each rule that concerns the event says to it. Pure but for the clock. */
export function judge(options: Rendering, registry: Registry, event: EventMessage): Verdict[] {
  const view: EventView = { id: event.id, trigger: event.trigger, payload: event.payload, created: event.at };
  return rulesFor(registry, event).map((rule) => judgeRule(options, registry, rule, view));
}

/** What one rule says to an event, whether or not it concerns it. A failure is its verdict. */
export function judgeRule(options: Rendering, registry: Registry, rule: Rule, event: EventView): Verdict {
  try {
    const decision = rule.decide(event);
    if (!decision.fires) return { status: "unmatched", rule, reason: decision.reason };
    const action = findAction(registry, rule.definition.action);
    if (!action) return { status: "failed", rule, reason: `there is no action ${rule.definition.action}` };
    if (!action.enabled) return { status: "failed", rule, reason: `action ${action.ref} is disabled` };
    const pack = registry.packs.get(action.pack);
    const snapshot = pack ? (snapshotOf(pack, action.ref)?.hash ?? null) : null;
    const parameters = parametersFor(options, action, rule, event);
    return { status: "fired", rule, action, parameters, snapshot };
  } catch (thrown) {
    return { status: "failed", rule, reason: describeError(thrown).slice(0, 2_000) };
  }
}

/** The verdicts after plugins have seen the executions that would follow; what one refuses fails, as does what it breaks. */
async function withPlans(
  { checkParameters }: Pick<HandlerOptions, "checkParameters">,
  plan: HookRunner["plan"],
  event: EventMessage | undefined,
  verdicts: readonly Verdict[],
): Promise<Verdict[]> {
  return Promise.all(
    verdicts.map(async (verdict): Promise<Verdict> => {
      if (!event || verdict.status !== "fired") return verdict;
      const { rule, action, parameters } = verdict;
      try {
        const id = executionId(event.id, rule.id);
        const planned = { id, action: action.ref, rule: rule.definition.ref, event: event.id, parameters };
        return { ...verdict, parameters: await plan(planned, (values) => checkParameters(action, values)) };
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
