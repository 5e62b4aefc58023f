import { AttuneError } from "../errors.ts";
import type { Json } from "../plugin.ts";
import type { RuleDefinition } from "../registry.ts";
import type { CompileRule } from "../registry-build.ts";
import { errorAt, inside, type Spot, spotOf } from "../spot.ts";
import { compileDecision } from "./conditions.ts";
import { compileTemplates } from "./templates.ts";

/** Compiles what a rule decides and renders. Throws EXPRESSION_INVALID that tells the column; its spot is in the rule's fields. */
export const compileRule: CompileRule = (rule) => {
  try {
    return { decide: decisionOf(rule), render: renderingOf(rule) };
  } catch (thrown) {
    const spot = spotOf(thrown);
    if (!(thrown instanceof AttuneError) || spot?.offset === undefined) throw thrown;
    throw errorAt(thrown.code, `${thrown.message} at ${position(textAt(rule, spot.path), spot.offset)}`, spot, thrown.hint);
  }
};

/** What is wrong with a rule's expressions, by their spots in the rule's fields; empty when they all compile. */
export function checkRule(rule: RuleDefinition): (Spot & { readonly message: string; readonly hint?: string })[] {
  return [decisionOf, renderingOf].flatMap((compile) => {
    try {
      compile(rule);
      return [];
    } catch (thrown) {
      if (!(thrown instanceof AttuneError)) throw thrown;
      const spot = spotOf(thrown) ?? { path: [] };
      return [{ ...spot, message: thrown.message, ...(thrown.hint === undefined ? {} : { hint: thrown.hint }) }];
    }
  });
}

function decisionOf(rule: RuleDefinition) {
  return compileDecision(rule);
}

function renderingOf(rule: RuleDefinition) {
  return inside(["action_params"], () => compileTemplates(rule.action_params));
}

function textAt(rule: RuleDefinition, path: Spot["path"]): string {
  let value: unknown = rule;
  for (const key of path) value = (value as { readonly [key: string | number]: Json } | null | undefined)?.[key];
  return typeof value === "string" ? value : "";
}

function position(text: string, offset: number): string {
  const lines = text.slice(0, offset).split("\n");
  const column = `column ${(lines.at(-1) ?? "").length + 1}`;
  return lines.length > 1 ? `line ${lines.length}, ${column}` : column;
}
