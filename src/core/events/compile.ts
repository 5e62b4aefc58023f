import { AttuneError } from "../errors.ts";
import type { RuleDefinition } from "../registry.ts";
import type { CompileRule } from "../registry-build.ts";
import { inside, spotOf } from "../spot.ts";
import { compileDecision } from "./conditions.ts";
import { compileTemplates } from "./templates.ts";

/** Compiles what a rule decides and renders. Throws EXPRESSION_INVALID with the spot in the rule's fields. */
export const compileRule: CompileRule = (rule) => ({
  decide: compileDecision(rule),
  render: inside(["action_params"], () => compileTemplates(rule.action_params)),
});

/** What is wrong with a rule's expressions, by the path of its fields; empty when they all compile. */
export function checkRule(rule: RuleDefinition): { path: (string | number)[]; message: string; hint?: string }[] {
  return [() => compileDecision(rule), () => inside(["action_params"], () => compileTemplates(rule.action_params))].flatMap((compile) => {
    try {
      compile();
      return [];
    } catch (thrown) {
      if (!(thrown instanceof AttuneError)) throw thrown;
      const path = [...(spotOf(thrown)?.path ?? [])];
      return [{ path, message: thrown.message, ...(thrown.hint === undefined ? {} : { hint: thrown.hint }) }];
    }
  });
}
