import type { ErrorObject } from "ajv";
import { AttuneError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { FlatSchema } from "../registry.ts";
import { errorAt } from "../spot.ts";
import { forbiddenKeys, ownValue } from "../values.ts";
import { keywords, ownKeywords } from "./keywords.ts";
import { explain, type Problem } from "./problems.ts";
import { makeCompiler, type Validate } from "./validator.ts";

export { coerce } from "./coerce.ts";
export { normaliseSchema } from "./normalise.ts";

export interface Schema {
  /**
   * The values with defaults in place of what is missing or null, checked. Returns a new object; shares what it holds.
   * Throws PARAMETERS_INVALID that names every faulty parameter.
   */
  check(values: JsonObject): JsonObject;
  /** Names of the parameters that are `secret: true`. */
  readonly secrets: readonly string[];
}

const schemas = new WeakMap<FlatSchema, Compiled>();
interface Compiled extends Schema {
  readonly validate: Validate;
}
const mostProblems = 20;

/**
 * A schema ready for use. Cheap: the validator behind it is made when a value is first checked, and kept as long as `flat`.
 * An empty schema takes any parameters.
 */
export function compileSchema(flat: FlatSchema): Schema {
  return compiledOf(flat);
}

/**
 * What is wrong with the parameters a rule states, before there is an event: strings with a `{{ }}` pass as any type, all
 * else is judged as {@link Schema.check} would, required parameters included.
 */
export function checkTemplated(flat: FlatSchema, params: JsonObject): readonly Problem[] {
  const values = withDefaults(flat, params);
  if (isPlainlyValid(flat, values)) return [];
  const { validate } = compiledOf(flat);
  const errors = validate(values).filter((error) => !dependsOnTemplate(error, params));
  return errors.slice(0, mostProblems).map((error) => explain(flat, params, error));
}

let compile: ReturnType<typeof makeCompiler> | undefined;

function compiledOf(flat: FlatSchema): Compiled {
  const known = schemas.get(flat);
  if (known) return known;
  let validator: Validate | undefined;
  const validate: Validate = (values) => {
    compile ??= makeCompiler();
    validator ??= compile(flat);
    return validator(values);
  };
  const compiled: Compiled = {
    validate,
    secrets: Object.keys(flat).filter((name) => flat[name]?.["secret"] === true),
    check(values) {
      const complete = withDefaults(flat, values);
      report(flat, values, validate(complete));
      return complete;
    },
  };
  schemas.set(flat, compiled);
  return compiled;
}

function withDefaults(flat: FlatSchema, values: JsonObject): JsonObject {
  const complete: JsonObject = {};
  for (const [name, value] of Object.entries(values)) {
    if (forbiddenKeys.has(name)) throw new AttuneError("PARAMETERS_INVALID", `a parameter can't be called \`${name}\``);
    if (value !== null || acceptsNull(ownProperty(flat, name))) complete[name] = value;
  }
  for (const name of Object.keys(flat)) {
    const fallback = ownValue(flat[name] ?? {}, "default");
    if (fallback !== undefined && (ownValue(values, name) ?? null) === null) complete[name] = structuredClone(fallback);
  }
  return complete;
}

function ownProperty(flat: FlatSchema, name: string): JsonObject | undefined {
  return Object.hasOwn(flat, name) ? flat[name] : undefined;
}

/** A null for a parameter that does not take one means that it was left out. */
function acceptsNull(property: JsonObject | undefined): boolean {
  const type = property?.["type"];
  return (
    type === undefined || property?.["nullable"] === true || type === "null" || (Array.isArray(type) && type.includes("null"))
  );
}

function report(flat: FlatSchema, given: JsonObject, errors: readonly ErrorObject[]): void {
  if (errors.length === 0) return;
  const problems = errors.slice(0, mostProblems).map((error) => explain(flat, given, error));
  const more = errors.length > problems.length ? `; and ${errors.length - problems.length} more` : "";
  const message = [...new Set(problems.map((problem) => problem.message))].join("; ");
  throw errorAt(
    "PARAMETERS_INVALID",
    `${message}${more}`,
    { path: problems[0]?.path ?? [] },
    problems.find(({ hint }) => hint)?.hint,
  );
}

/** Sees without a validator what most rules state, since making one for each rule's action would be most of a cold start. */
function isPlainlyValid(flat: FlatSchema, values: JsonObject): boolean {
  const areNamesRight = Object.keys(values).every((name) => Object.hasOwn(flat, name));
  return areNamesRight && Object.keys(flat).every((name) => isPlainlyRight(flat[name] ?? {}, ownValue(values, name)));
}

function isPlainlyRight(property: JsonObject, value: Json | undefined): boolean {
  if (value === undefined) return property["required"] !== true;
  if (typeof value === "string" && value.includes("{{")) return true;
  const isOnlyTyped = Object.keys(property).every((key) => key === "type" || !keywords.has(key) || ownKeywords.has(key));
  return isOnlyTyped && typeof value === property["type"];
}

/** Whether the verdict may be another once the templates in the value are rendered. */
function dependsOnTemplate(error: ErrorObject, params: JsonObject): boolean {
  const data = error.data as Json;
  // Part of a choice between schemas, which the rest of the parameter decides together.
  if (/\/(?:anyOf|oneOf|not|if|then|else|contains)\b/.test(error.schemaPath)) return holdsTemplate(parameterOf(error, params));
  if (typeof data === "string") return data.includes("{{");
  return (
    error.keyword !== "type" && error.keyword !== "required" && error.keyword !== "additionalProperties" && holdsTemplate(data)
  );
}

function parameterOf(error: ErrorObject, params: JsonObject): Json {
  const [, name = ""] = error.instancePath.split("/");
  return ownValue(params, name.replaceAll("~1", "/").replaceAll("~0", "~")) ?? null;
}

function holdsTemplate(value: Json): boolean {
  if (typeof value === "string") return value.includes("{{");
  return typeof value === "object" && value !== null && Object.values(value).some(holdsTemplate);
}
