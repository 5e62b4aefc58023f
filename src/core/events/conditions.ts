import { AttuneError, nearest, toError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { Decide, EventView } from "../registry.ts";
import { errorAt, inside, type Spot } from "../spot.ts";
import { forbiddenKeys, isObject, ownValue, showValue } from "../values.ts";
import type { ConditionReport } from "./explain.ts";
import { compileExpression, type Outcome, scopeOf } from "./expression.ts";
import { operators, type Test } from "./operators.ts";
import { lookUp } from "./path.ts";
import { toCel } from "./translate.ts";
import { isTruthy } from "./truth.ts";

export interface Condition {
  /** Why it does not hold, or undefined when it does. Throws EXPRESSION_FAILED. */
  objection(event: EventView): string | undefined;
  /** The same with all that it looked at; what fails to evaluate is told and not thrown. */
  report(event: EventView): ConditionReport;
}
interface Stated {
  readonly when: string | null;
  readonly conditions: Json;
}

const longestReason = 300;
const shownValues = 3;

/**
 * Compiles when a rule fires. `when` is CEL; `conditions` is null, `{}` or `[]` (nothing asked), a list of
 * `{field, operator, value}` that must all hold, or `{expression}` in the contract's language. With both, both must hold.
 * Either kind of expression is judged by its truth as in Python, and does not hold when it needs something the event
 * does not have.
 *
 * Throws EXPRESSION_INVALID with a spot such as `["conditions", 1, "operator"]`.
 */
export function compileDecision(rule: Stated): Decide {
  const conditions = compileConditions(rule);
  return (event) => {
    for (const condition of conditions) {
      const reason = condition.objection(event);
      if (reason !== undefined) return { fires: false, reason: shorten(reason) };
    }
    return { fires: true };
  };
}

/** The conditions that {@link compileDecision} judges, one by one and in its order. */
export function compileConditions({ when, conditions }: Stated): Condition[] {
  const fromWhen = when === null ? [] : [inside(["when"], () => expressionCondition("when", when, when))];
  return [...fromWhen, ...inside(["conditions"], () => compileStated(conditions))];
}

function compileStated(conditions: Json): Condition[] {
  if (conditions === null) return [];
  if (Array.isArray(conditions)) return conditions.map((item, i) => inside([i], () => comparison(item)));
  if (!isObject(conditions)) throw malformed([], `conditions must be a list or an object, not ${showValue(conditions)}`);
  if (Object.keys(conditions).length === 0) return [];
  const source = ownValue(conditions, "expression");
  if (typeof source === "string") {
    return [inside(["expression"], () => translatedCondition(source))];
  }
  if (source !== undefined) throw malformed(["expression"], `expression must be a string, not ${showValue(source)}`);
  throw malformed([], "conditions is an object without `expression`");
}

function translatedCondition(source: string): Condition {
  const cel = toCel(withoutBraces(source));
  try {
    return expressionCondition("conditions", source, cel);
  } catch (error) {
    if (!(error instanceof AttuneError)) throw error;
    // The offset is one in the translation, which the author never sees.
    throw errorAt("EXPRESSION_INVALID", error.message, { path: [] }, error.hint);
  }
}

/** The same length as the source, so that offsets stay true. */
function withoutBraces(source: string): string {
  const match = /^(\s*)\{\{(.*)\}\}\s*$/s.exec(source);
  return match && !match[2]?.includes("{{") ? `${match[1]}  ${match[2]}` : source;
}

function expressionCondition(from: "when" | "conditions", shown: string, source: string): Condition {
  const expression = compileExpression(source);
  const text = shown.trim();

  function objectionTo(outcome: Outcome, scope: JsonObject): string | undefined {
    if ("missing" in outcome) return `${from}: ${text}: ${outcome.missing} is missing`;
    if (isTruthy(outcome.value)) return undefined;
    const seen = expression.paths.slice(0, shownValues).map((path) => `${path.join(".")} is ${showValue(lookUp(scope, path))}`);
    return `${from}: ${text} is ${showValue(outcome.value)}${seen.length > 0 ? `: ${seen.join(", ")}` : ""}`;
  }

  return {
    objection(event) {
      const scope = scopeOf(event);
      return objectionTo(expression.outcome(scope), scope);
    },
    report(event) {
      const scope = scopeOf(event);
      const reads = expression.paths.map((path) => ({ path: path.join("."), value: lookUp(scope, path) }));
      const base = { kind: "expression", from, expression: text, reads } as const;
      try {
        const outcome = expression.outcome(scope);
        const value = "value" in outcome ? outcome.value : null;
        return { ...base, value, ...verdictOf(objectionTo(outcome, scope)) };
      } catch (thrown) {
        if (!(thrown instanceof AttuneError)) throw thrown;
        return { ...base, value: null, outcome: "error", reason: thrown.message };
      }
    },
  };
}

function verdictOf(objection: string | undefined): Pick<ConditionReport, "outcome" | "reason"> {
  return objection === undefined ? { outcome: "holds", reason: null } : { outcome: "fails", reason: objection };
}

function comparison(item: Json): Condition {
  if (!isObject(item)) throw malformed([], "a condition must be an object");
  const field = stated(item, "field");
  const operator = stated(item, "operator");
  const find = fieldFinder(field);
  const shown = /^(event|payload)\./.test(field) ? field : `payload.${field}`;
  const objectionTo = compileComparison(shown, operator, item);
  const expected = operator === "exists" || operator === "not_exists" ? undefined : ownValue(item, "value");
  return {
    objection: (event) => objectionTo(find(event)),
    report(event) {
      const actual = find(event);
      return { kind: "comparison", path: shown, operator, expected, actual, ...verdictOf(objectionTo(actual)) };
    },
  };
}

function compileComparison(shown: string, name: string, item: JsonObject): (actual: Json | undefined) => string | undefined {
  if (name === "exists") return (actual) => (actual === undefined ? `${shown} is missing` : undefined);
  if (name === "not_exists")
    return (actual) => (actual === undefined ? undefined : `${shown} exists: it is ${showValue(actual)}`);
  const { words, test } = compileTest(name, item);
  const condition = `${shown} ${words} ${showExpected(item["value"] ?? null)}`;
  return (actual) => {
    if (actual === undefined) return `${condition}: ${shown} is missing`;
    return test(actual) ? undefined : `${condition}: it is ${showValue(actual)}`;
  };
}

function compileTest(name: string, item: JsonObject): { words: string; test: Test } {
  const operator = operators.get(name);
  if (!operator) {
    const near = nearest(name, [...operators.keys(), "exists", "not_exists"]);
    const hint = near ? `did you mean \`${near}\`?` : `known are ${[...operators.keys()].join(", ")}, exists, not_exists`;
    throw errorAt("EXPRESSION_INVALID", `unknown operator \`${name}\``, { path: ["operator"] }, hint);
  }
  const expected = ownValue(item, "value");
  if (expected === undefined) throw malformed([], `a condition with ${name} needs a value`);
  try {
    return { words: operator.words, test: operator.build(expected) };
  } catch (error) {
    const hint = error instanceof AttuneError ? error.hint : undefined;
    throw errorAt("EXPRESSION_INVALID", `value for ${name}: ${toError(error).message}`, { path: ["value"] }, hint);
  }
}

function stated(item: JsonObject, key: "field" | "operator"): string {
  const value = ownValue(item, key);
  if (typeof value === "string" && value !== "") return value;
  if (value !== undefined) throw malformed([key], `${key} must be a string, not ${showValue(value)}`);
  const near = nearest(key, Object.keys(item));
  throw malformed([], `a condition needs \`${key}\`${near ? `; it has \`${near}\`` : ""}`);
}

/** Fields are relative to the payload; one that starts with `payload.` or `event.` may also mean just that. */
function fieldFinder(field: string): (event: EventView) => Json | undefined {
  const path = field.split(".");
  if (path.some((key) => forbiddenKeys.has(key))) throw malformed(["field"], `\`${field}\` is out of reach`);
  const isAbsolute = path.length > 1 && (path[0] === "payload" || path[0] === "event");
  return (event) => {
    const relative = lookUp(event.payload, path);
    return relative === undefined && isAbsolute ? lookUp(scopeOf(event), path) : relative;
  };
}

function showExpected(expected: Json): string {
  return typeof expected === "object" ? shorten(JSON.stringify(expected), 80) : showValue(expected);
}

function shorten(text: string, length = longestReason): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function malformed(path: Spot["path"], message: string): AttuneError {
  const hint = 'write a list of {field, operator, value}, {expression: "..."}, or `when:` beside it';
  return errorAt("EXPRESSION_INVALID", message, { path }, hint);
}
