import { AttuneError } from "../errors.ts";
import type { PackConfig } from "../pack-config.ts";
import type { JsonObject } from "../plugin.ts";
import type { Action, EventView, Rule } from "../registry.ts";
import { masked, maskSecrets } from "../schema/secrets.ts";

/** What it takes to make the parameters of actions. */
export interface Rendering {
  /** Applies defaults and checks; throws PARAMETERS_INVALID. */
  readonly checkParameters: (action: Action, values: JsonObject) => JsonObject;
  readonly packConfig: (pack: string) => Pick<PackConfig, "values" | "shown">;
}

/**
 * The action's parameters as the rule's templates make them of an event, unchecked; of `shown`, as they may be shown. Throws
 * EXPRESSION_FAILED.
 */
export function renderFor(
  { packConfig }: Pick<Rendering, "packConfig">,
  rule: Rule,
  event: EventView,
  which: "values" | "shown" = "values",
): JsonObject {
  return rule.render(event, {
    packConfig: packConfig(rule.definition.pack)[which],
    timestamp: new Date().toISOString(),
    rule: { id: rule.id, ref: rule.definition.ref },
  });
}

/**
 * The same with the action's defaults, checked. Throws EXPRESSION_FAILED and PARAMETERS_INVALID, with no secret of the
 * configuration in the message: that is stored, and shown to whoever asks why the rule failed.
 */
export function parametersFor(rendering: Rendering, action: Action, rule: Rule, event: EventView): JsonObject {
  try {
    return rendering.checkParameters(action, renderFor(rendering, rule, event));
  } catch (thrown) {
    if (!seesSecrets(rendering, rule)) throw thrown;
    // Most of what is wrong is as wrong with the masks in place of the secrets.
    rendering.checkParameters(action, renderFor(rendering, rule, event, "shown"));
    throw new AttuneError("PARAMETERS_INVALID", `the parameters do not fit ${action.ref}`, {
      hint: "why is not told, since they are made of secrets of the pack's configuration: attune pack config shows which",
    });
  }
}

/** Parameters that were made for a rule, as they may be shown; null when that can't be told. */
export function parametersShown(
  rendering: Rendering,
  action: Action | undefined,
  rule: Rule,
  event: EventView,
  parameters: JsonObject,
): JsonObject | null {
  const known = maskSecrets(action?.parameters ?? {}, parameters);
  if (!seesSecrets(rendering, rule)) return known;
  try {
    const [real, shown] = [renderFor(rendering, rule, event), renderFor(rendering, rule, event, "shown")];
    const entries = Object.entries(known).map(([name, value]) => {
      const isOpen = value === masked || Bun.deepEquals(real[name], shown[name]);
      return [name, isOpen ? value : (shown[name] ?? masked)];
    });
    return Object.fromEntries(entries);
  } catch {
    return null; // The mask is no value that the template can work with.
  }
}

function seesSecrets({ packConfig }: Rendering, { definition }: Rule): boolean {
  const { values, shown } = packConfig(definition.pack);
  return values !== shown;
}
