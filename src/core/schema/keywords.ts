import type { Json, JsonObject } from "../plugin.ts";
import type { FlatSchema } from "../registry.ts";
import { isObject } from "../values.ts";

export const types: ReadonlySet<string> = new Set(["string", "integer", "number", "boolean", "array", "object", "null"]);

type Shape =
  | "any"
  | "boolean"
  | "choices"
  | "count"
  | "items"
  | "number"
  | "pattern"
  | "patterns"
  | "properties"
  | "required"
  | "schema"
  | "schemas"
  | "text"
  | "type";

/** The keywords that have an effect, and what each holds. */
export const keywords: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ["type", "type"],
  ["nullable", "boolean"],
  ["enum", "choices"],
  ["const", "any"],
  ["default", "any"],
  ["secret", "boolean"],
  ["required", "required"],
  ["multipleOf", "number"],
  ["minimum", "number"],
  ["maximum", "number"],
  ["exclusiveMinimum", "number"],
  ["exclusiveMaximum", "number"],
  ["minLength", "count"],
  ["maxLength", "count"],
  ["pattern", "pattern"],
  ["format", "text"],
  ["items", "items"],
  ["additionalItems", "schema"],
  ["minItems", "count"],
  ["maxItems", "count"],
  ["uniqueItems", "boolean"],
  ["contains", "schema"],
  ["properties", "properties"],
  ["patternProperties", "patterns"],
  ["additionalProperties", "schema"],
  ["propertyNames", "schema"],
  ["minProperties", "count"],
  ["maxProperties", "count"],
  ["allOf", "schemas"],
  ["anyOf", "schemas"],
  ["oneOf", "schemas"],
  ["not", "schema"],
  ["if", "schema"],
  ["then", "schema"],
  ["else", "schema"],
]);
/** Ours alone: not for the validator. */
export const ownKeywords: ReadonlySet<string> = new Set(["default", "secret", "required"]);

/** The JSON Schema (draft 7) of a flat schema. Other names than those it has are refused, unless it has none at all. */
export function toJsonSchema(flat: FlatSchema): JsonObject {
  return { type: "object", ...convertProperties(flat), additionalProperties: Object.keys(flat).length === 0 };
}

function convertProperties(properties: Readonly<Record<string, Json>>): JsonObject {
  const entries = Object.entries(properties);
  return {
    properties: Object.fromEntries(entries.map(([name, property]) => [name, convert(property)])),
    required: entries.filter(([, property]) => isObject(property) && property["required"] === true).map(([name]) => name),
  };
}

function convert(schema: Json): Json {
  if (!isObject(schema)) return schema;
  const converted: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    const shape = keywords.get(key);
    if (shape === undefined || ownKeywords.has(key)) continue;
    if (shape === "properties" && isObject(value)) Object.assign(converted, convertProperties(value));
    else if (shape === "patterns" && isObject(value)) {
      converted[key] = Object.fromEntries(Object.entries(value).map(([pattern, item]) => [pattern, convert(item)]));
    } else if (shape === "schemas" || shape === "schema" || shape === "items") {
      converted[key] = Array.isArray(value) ? value.map(convert) : convert(value);
    } else converted[key] = value;
  }
  const listed = Array.isArray(schema["required"]) ? schema["required"] : [];
  const flagged = Array.isArray(converted["required"]) ? converted["required"] : [];
  if (listed.length + flagged.length > 0) converted["required"] = [...new Set([...listed, ...flagged])];
  return converted;
}
