import { AttuneError } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Json, JsonObject } from "../plugin.ts";
import { type EventView, findAction, isActive, type Registry, type Rule } from "../registry.ts";
import { compileConditions } from "./conditions.ts";
import { judgeRule } from "./handle.ts";
import { parametersShown, type Rendering, renderFor } from "./render.ts";

/** What became of one condition, and what it saw. `error`: it could not be evaluated. */
export type ConditionReport = {
  readonly outcome: "holds" | "fails" | "error";
  /** null when it holds. */
  readonly reason: string | null;
} & (
  | {
      readonly kind: "comparison";
      readonly path: string;
      readonly operator: string;
      /** undefined for an operator that looks at no value. */
      readonly expected: Json | undefined;
      /** undefined when the event has no such value. */
      readonly actual: Json | undefined;
    }
  | {
      readonly kind: "expression";
      readonly from: "when" | "conditions";
      readonly expression: string;
      /** null also when something it needs is missing. */
      readonly value: Json;
      /** The values of the paths that it names; undefined for what the event does not have. */
      readonly reads: readonly { readonly path: string; readonly value: Json | undefined }[];
    }
);

export interface RuleExplanation {
  readonly rule: string;
  readonly action: string;
  readonly verdict: "fired" | "unmatched" | "failed";
  /** null when it fires. */
  readonly reason: string | null;
  /** Why events do not reach the rule at all as it stands; null when they do. */
  readonly inactive: string | null;
  readonly conditions: readonly ConditionReport[];
  /**
   * The action's parameters: with its defaults when the rule fires, as they are rendered when it does not, null when they
   * can't be.
   */
  readonly parameters: JsonObject | null;
}

/** An event to try a rule on; what is left out is made up. */
export interface GivenEvent {
  readonly payload: JsonObject;
  readonly id?: string;
  /** Ref of its trigger. */
  readonly trigger?: string;
  /** RFC 3339 */
  readonly created?: string;
}

/** What the rule sees of it. Throws EVENT_INVALID for an event of another trigger. */
export function viewOf({ definition }: Rule, event: GivenEvent): EventView {
  const { payload, trigger = definition.trigger } = event;
  if (trigger !== definition.trigger) {
    throw new AttuneError("EVENT_INVALID", `the event is one of ${trigger}, and ${definition.ref} is on ${definition.trigger}`, {
      hint: "take an event of that trigger",
    });
  }
  return { id: event.id ?? newId(), trigger, payload, created: event.created ?? new Date().toISOString() };
}

/** Judges one event as the daemon would and tells everything that led to the verdict. Nothing is stored and nothing runs. */
export function explainRule(options: Rendering, registry: Registry, rule: Rule, event: EventView): RuleExplanation {
  const { definition } = rule;
  const verdict = judgeRule(options, registry, rule, event);
  const fired = verdict.status === "fired";
  return {
    rule: definition.ref,
    action: definition.action,
    verdict: verdict.status,
    reason: fired ? null : verdict.reason,
    inactive: isActive(rule) ? null : (rule.unresolved ?? "the rule or its pack is disabled"),
    conditions: unlessInvalid(() => compileConditions(definition).map((condition) => condition.report(event))) ?? [],
    parameters: fired ? verdict.parameters : unlessInvalid(() => renderFor(options, rule, event)),
  };
}

/** The same with secrets masked, those of the action's parameters and those of the pack's configuration. */
export function explainShown(options: Rendering, registry: Registry, rule: Rule, event: EventView): RuleExplanation {
  const explained = explainRule(options, registry, rule, event);
  const { parameters } = explained;
  const action = findAction(registry, explained.action);
  return { ...explained, parameters: parameters && parametersShown(options, action, rule, event, parameters) };
}

/** null when an expression fails or does not compile: the verdict's reason says so. */
function unlessInvalid<T>(task: () => T): T | null {
  try {
    return task();
  } catch (thrown) {
    if (thrown instanceof AttuneError) return null;
    throw thrown;
  }
}
