import type { JsonObject } from "../../plugin.ts";
import { keywords, types } from "../../schema/keywords.ts";
import { isObject } from "../../values.ts";
import { FOLDERS } from "../listing.ts";
import { fieldTables, type Kind, schemaOf } from "./fields.ts";

/** Which files of a pack are of a kind: `actions/*.yaml`. */
export function filesOf(kind: Kind): string {
  return kind === "pack" ? "pack.yaml" : `${FOLDERS[kind]}/*.yaml`;
}

const schemaFields = new Set(["parameters", "output", "conf_schema"]);

/**
 * JSON Schema (draft 7, which yaml-language-server takes) by which an editor completes and checks one kind of file. Stricter
 * than {@link schemaOf}, by which the daemon judges: what it would only warn of, an unknown key, does not fit.
 */
export function editorSchemaOf(kind: Kind): JsonObject {
  const { required, aliases } = fieldTables[kind];
  const { properties, ...schema } = schemaOf(kind) as JsonObject & {
    readonly properties: { readonly [field: string]: JsonObject };
  };
  const spellings = (field: string) => [field, ...Object.keys(aliases).filter((spelling) => aliases[spelling] === field)];
  const inSeveral = required.filter((field) => spellings(field).length > 1);
  const anySpelling = (field: string) => ({ anyOf: spellings(field).map((spelling) => ({ required: [spelling] })) });
  return {
    ...schema,
    description: `${filesOf(kind)} of an attune pack`,
    required: required.filter((field) => !inSeveral.includes(field)),
    ...(inSeveral.length > 0 && { allOf: inSeveral.map(anySpelling) }),
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, property]) => [
        name,
        schemaFields.has(aliases[name] ?? name) ? { ...property, ...schemaBody } : strict(property),
      ]),
    ),
    additionalProperties: false,
    definitions: { property: propertySchema() },
  };
}

/** The schema, within which a key that it does not list fits nowhere. */
function strict(schema: JsonObject): JsonObject {
  const { properties, items, additionalProperties: others } = schema;
  return {
    ...schema,
    ...(isObject(items) && { items: strict(items) }),
    ...(isObject(properties) && { properties: mapValues(properties, strict), additionalProperties: false }),
    ...(isObject(others) && { additionalProperties: strict(others) }),
  };
}

function mapValues(schemas: JsonObject, map: (schema: JsonObject) => JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, isObject(schema) ? map(schema) : schema]));
}

const ofProperties: JsonObject = { additionalProperties: { $ref: "#/definitions/property" } };
/** Both forms a schema may have: flat, or JSON Schema of type object. */
const schemaBody: JsonObject = {
  if: { properties: { type: { const: "object" } }, required: ["type"] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { properties: { properties: { type: "object", ...ofProperties } } },
  else: ofProperties,
};

const descriptions: Readonly<Record<string, string>> = {
  type: "kind of value",
  required: "whether it must be given, or the names of the properties that must be",
  secret: "masked wherever it is shown",
  default: "taken when it is not given",
  enum: "the only values allowed",
  format: "date-time, uri, email, cron, timezone, ...",
  pattern: "RE2 regular expression that the text must match",
  items: "schema of the items of a list",
  properties: "schemas of the properties of an object, by name",
};

/** One property of a schema. Keywords without a meaning to attune are allowed, as they are in a pack. */
function propertySchema(): JsonObject {
  const known = [...keywords].map(([name, shape]): [string, JsonObject] => {
    const description = descriptions[name];
    return [name, { ...shapes[shape], ...(description !== undefined && { description }) }];
  });
  return {
    type: "object",
    properties: { description: { type: "string", description: "what it is for" }, ...Object.fromEntries(known) },
  };
}

const ref: JsonObject = { $ref: "#/definitions/property" };
const shapes: Readonly<
  Record<typeof keywords extends ReadonlyMap<string, infer Shape extends string> ? Shape : never, JsonObject>
> = {
  any: {},
  boolean: { type: "boolean" },
  choices: { type: "array", minItems: 1 },
  count: { type: "integer", minimum: 0 },
  items: { anyOf: [{ type: "boolean" }, ref, { type: "array", items: ref }] },
  number: { type: "number" },
  pattern: { type: "string" },
  patterns: { type: "object", additionalProperties: ref },
  properties: { type: "object", additionalProperties: ref },
  required: { anyOf: [{ type: "boolean" }, { type: "array", items: { type: "string" } }] },
  schema: { anyOf: [{ type: "boolean" }, ref] },
  schemas: { type: "array", items: ref, minItems: 1 },
  text: { type: "string" },
  type: { anyOf: [{ enum: [...types] }, { type: "array", items: { enum: [...types] } }] },
};
