import { type ASTNode, EvaluationError, ParseError, type ParseResult, TypeError as TypeMismatch } from "@marcbachmann/cel-js";
import { AttuneError, nearest, toError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import { compileRegex } from "../regex.ts";
import type { EventView } from "../registry.ts";
import { errorAt } from "../spot.ts";
import { makeCel, type Variables, variables } from "./cel.ts";
import { allNodes, findForbidden, meterLoops, replaceMethods } from "./cel-source.ts";
import { toJson, withoutForbiddenKeys } from "./cel-values.ts";

/** What came of an evaluation: a value, or the part of the expression that the event does not have (`payload.level`). */
export type Outcome = { readonly value: Json } | { readonly missing: string };

export interface Expression {
  /** The value; null when it depends on something missing. Throws EXPRESSION_FAILED. */
  evaluate(scope: JsonObject): Json;
  /** Like {@link Expression.evaluate}, but tells a missing part from a null. */
  outcome(scope: JsonObject): Outcome;
  /** Dotted paths that it reads: `["payload", "level"]`. */
  readonly paths: readonly (readonly string[])[];
}

const longestSource = 4096;
const cels = { condition: makeCel("condition"), template: makeCel("template") };

/** What an expression sees of an event: `event` as the contract names it, and its payload once more for short. */
export function scopeOf(event: EventView): JsonObject {
  const { id, trigger, payload, created } = event;
  return { event: { id, trigger, trigger_ref: trigger, payload, created }, payload };
}

/**
 * Compiles a CEL expression. `names` says which variables it has: `condition` event and payload, `template` also pack,
 * system and trigger. Integers come out as numbers, timestamps as RFC 3339; `matches` is RE2; lists may be mixed.
 *
 * Throws EXPRESSION_INVALID, whose spot has an empty path and the offset within the source.
 */
export function compileExpression(source: string, names: Variables = "condition"): Expression {
  if (source.length > longestSource) throw errorAt("EXPRESSION_INVALID", `longer than ${longestSource} characters`, { path: [] });
  const { environment, refill, charge } = cels[names];
  const parsed = prepare(names, () => environment.parse(source));
  meterLoops(parsed.ast, charge);

  const attempt = (scope: JsonObject): Outcome => {
    refill();
    return { value: toJson(parsed(scope)) };
  };
  const outcome = (scope: JsonObject): Outcome => {
    try {
      try {
        return attempt(scope);
      } catch (error) {
        if (!isClash(error)) throw error;
        return attempt(withoutForbiddenKeys(scope));
      }
    } catch (error) {
      return missingOrThrow(error, source);
    }
  };
  return {
    paths: pathsOf(parsed.ast),
    outcome,
    evaluate(scope) {
      const result = outcome(scope);
      return "value" in result ? result.value : null;
    },
  };
}

function prepare(names: Variables, parse: () => ParseResult): ParseResult {
  try {
    const parsed = parse();
    const forbidden = findForbidden(parsed.ast);
    if (forbidden) throw invalid(forbidden.reason, forbidden.offset);
    replaceMethods(parsed.ast, checkPattern);
    const { error } = parsed.check();
    if (error) throw error;
    return parsed;
  } catch (error) {
    if (error instanceof ParseError || error instanceof TypeMismatch) {
      const reason = error.summary
        .replace(/^found no matching overload for '(.*)'$/, "there is no function `$1`")
        .replace(/^Unexpected token: EOF$/i, "the expression ends too early");
      throw invalid(reason, error.range?.start, hintFor(error, names));
    }
    throw error;
  }
}

function checkPattern(pattern: string, offset: number): void {
  try {
    compileRegex(pattern);
  } catch (error) {
    throw invalid(toError(error).message, offset, error instanceof AttuneError ? error.hint : undefined);
  }
}

function invalid(reason: string, offset?: number, hint?: string): AttuneError {
  const what = `${reason.charAt(0).toLowerCase()}${reason.slice(1)}`;
  return errorAt("EXPRESSION_INVALID", what, offset === undefined ? { path: [] } : { path: [], offset }, hint);
}

function hintFor(error: ParseError | TypeMismatch, names: Variables): string | undefined {
  const known = variables[names];
  if (error.code === "unknown_variable") {
    const near = nearest(error.summary.replace(/^.*: /, ""), known);
    return near ? `did you mean \`${near}\`?` : `an expression can use ${known.join(", ")}`;
  }
  if (error.code === "incompatible_ternary_branches") return "wrap one branch in dyn(...)";
  if (error.code === "limit_exceeded") return "split the decision into several rules, or move it into the action";
  return error instanceof ParseError ? 'expressions are CEL: payload.level == "error" && size(payload.items) > 3' : undefined;
}

/** An object with its own `constructor` key is taken for an instance of something unknown. */
function isClash(error: unknown): boolean {
  return error instanceof EvaluationError && error.code === "unsupported_type";
}

function missingOrThrow(error: unknown, source: string): { missing: string } {
  if (error instanceof EvaluationError) {
    if (error.code === "no_such_key" || error.code === "index_out_of_bounds") return { missing: textOf(error) };
    throw failed(source, error.summary, error);
  }
  throw failed(source, toError(error).message, error);
}

function textOf({ node, summary }: EvaluationError): string {
  return node ? node.input.slice(node.start, node.end) : summary;
}

function failed(source: string, reason: string, cause: unknown): AttuneError {
  const shown = source.length > 120 ? `${source.slice(0, 120)}…` : source;
  return new AttuneError("EXPRESSION_FAILED", `\`${shown}\`: ${reason}`, { cause });
}

function pathsOf(root: ASTNode): string[][] {
  const paths = new Map<string, string[]>();
  const inner = new Set<ASTNode>();
  for (const node of allNodes(root)) {
    if (node.op === "." && inner.has(node)) inner.add(node.args[0]);
    else if (node.op === ".") {
      inner.add(node.args[0]);
      const path = pathOf(node);
      if (path) paths.set(path.join("."), path);
    }
  }
  return [...paths.values()];
}

function pathOf(node: ASTNode): string[] | undefined {
  if (node.op === "id") return [node.args];
  const parent = node.op === "." ? pathOf(node.args[0]) : undefined;
  return parent && node.op === "." ? [...parent, node.args[1]] : undefined;
}
