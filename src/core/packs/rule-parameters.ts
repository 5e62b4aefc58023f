import type { JsonObject, Problem } from "../plugin.ts";
import type { FlatSchema, RuleDefinition } from "../registry.ts";
import { checkTemplated } from "../schema/schema.ts";
import { formatPath } from "../spot.ts";
import { mistake, type Place, type PlaceOf } from "./problems.ts";

/** Schemas of the parameters of what a rule names; undefined when that is not known. */
export interface RuleSchemas {
  readonly trigger: FlatSchema | undefined;
  readonly action: FlatSchema | undefined;
}

/** What a rule states as parameters and its trigger or its action does not take. Pure. */
export function parameterProblems(rule: RuleDefinition, schemas: RuleSchemas, placeOf: PlaceOf): Problem[] {
  return [
    ...problemsOf(rule, "trigger_params", schemas.trigger, placeOf),
    ...problemsOf(rule, "action_params", schemas.action, placeOf),
  ];
}

function problemsOf(
  rule: RuleDefinition,
  field: "trigger_params" | "action_params",
  schema: FlatSchema | undefined,
  placeOf: PlaceOf,
): Problem[] {
  if (!schema) return [];
  const params: JsonObject = rule[field];
  const byPlace = new Map<string, Problem>();
  for (const { path, message, hint, kind } of judge(schema, params)) {
    const at = nearestPlace(rule.file, [field, ...path], kind === "unknown" ? "key" : "value", placeOf);
    // Of several objections to one value the first is the plainest.
    const key = kind === "missing" ? message : formatPath(path);
    if (!byPlace.has(key)) byPlace.set(key, mistake(rule.file, at, `${field}: ${message}`, hint));
  }
  return [...byPlace.values()];
}

/** By the parameters, with the schema they were judged by: most reloads change neither. */
const verdicts = new WeakMap<JsonObject, { readonly schema: FlatSchema; readonly found: ReturnType<typeof checkTemplated> }>();

function judge(schema: FlatSchema, params: JsonObject): ReturnType<typeof checkTemplated> {
  const known = verdicts.get(params);
  if (known?.schema === schema) return known.found;
  const found = checkTemplated(schema, params);
  verdicts.set(params, { schema, found });
  return found;
}

/** Of the part at `path`, or of what it belongs in when the file does not state it. */
function nearestPlace(file: string, path: readonly (string | number)[], of: "key" | "value", placeOf: PlaceOf): Place | null {
  for (let length = path.length; length > 0; length--) {
    const place = placeOf(file, formatPath(path.slice(0, length)), length === path.length ? of : "value");
    if (place) return place;
  }
  return placeOf(file, "ref") ?? null;
}
