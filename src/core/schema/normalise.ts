import { AttuneError, nearest, toError } from "../errors.ts";
import { isDeeperThan } from "../json.ts";
import type { Json, JsonObject } from "../plugin.ts";
import { compileRegex } from "../regex.ts";
import type { FlatSchema } from "../registry.ts";
import { errorAt, formatPath, type Spot } from "../spot.ts";
import { forbiddenKeys, isObject, ownValue, showValue } from "../values.ts";
import { keywords, types } from "./keywords.ts";

type Path = Spot["path"];
type Refuse = (path: Path, message: string, hint?: string) => never;

const largest = 64 * 1024;
const deepest = 32;
const mostProperties = 1000;
const legacyKeys: ReadonlyMap<string, string> = new Map([
  ["min_items", "minItems"],
  ["max_items", "maxItems"],
  ["min_length", "minLength"],
  ["max_length", "maxLength"],
]);
const otherTypes: ReadonlyMap<string, string> = new Map([
  ["str", "string"],
  ["text", "string"],
  ["int", "integer"],
  ["float", "number"],
  ["double", "number"],
  ["bool", "boolean"],
  ["list", "array"],
  ["dict", "object"],
  ["map", "object"],
]);

/**
 * Brings a schema of a pack to the flat form: property name to property, each with `required: true` or not. Accepts the flat
 * form itself and JSON Schema's `{type: object, properties, required: [...]}`; null is an empty schema. Keys without a
 * meaning to us are kept.
 *
 * `what` names the schema in messages, such as `parameters`. Throws PACK_INVALID; its spot's path starts in `raw`.
 */
export function normaliseSchema(raw: Json, what: string): FlatSchema {
  const refuse: Refuse = (path, message, hint) => {
    throw errorAt("PACK_INVALID", `${[what, formatPath(path)].filter(Boolean).join(".")}: ${message}`, { path }, hint);
  };
  if (raw === null) return {};
  if (!isObject(raw))
    return refuse([], `must be an object, not ${showValue(raw)}`, "write a name, and below it type, description, ...");
  if (isDeeperThan(raw, deepest)) return refuse([], `nested more than ${deepest} deep`);
  if (JSON.stringify(raw).length > largest) return refuse([], `larger than ${largest / 1024} KiB`);
  const count = { left: mostProperties };
  const isWrapped = raw["type"] === "object";
  const base: Path = isWrapped ? ["properties"] : [];
  const properties = isWrapped ? (ownValue(raw, "properties") ?? {}) : raw;
  if (!isObject(properties)) return refuse(base, `must be an object, not ${showValue(properties)}`);
  const required = isWrapped ? requiredNames(raw, properties, refuse) : new Set<string>();

  const flat: { [name: string]: JsonObject } = {};
  for (const [name, property] of Object.entries(properties)) {
    flat[name] = checkProperty(property, [...base, name], refuse, count);
    if (required.has(name)) flat[name] = { ...flat[name], required: true };
  }
  return flat;
}

function requiredNames(holder: JsonObject, properties: JsonObject, refuse: Refuse): Set<string> {
  const required = ownValue(holder, "required") ?? [];
  if (!Array.isArray(required)) return refuse(["required"], "must be a list of names");
  return new Set(
    required.map((name, i) => {
      if (typeof name !== "string") return refuse(["required", i], `must be a name, not ${showValue(name)}`);
      if (Object.hasOwn(properties, name)) return name;
      const near = nearest(name, Object.keys(properties));
      return refuse(["required", i], `there is no property \`${name}\``, near && `did you mean \`${near}\`?`);
    }),
  );
}

function checkProperty(property: Json, path: Path, refuse: Refuse, count: { left: number }): JsonObject {
  const name = path.at(-1);
  if (typeof name === "string" && forbiddenKeys.has(name)) refuse(path, `a property can't be called \`${name}\``);
  if (!isObject(property)) return refuse(path, `must be an object, not ${showValue(property)}`, "for example {type: string}");
  if (--count.left < 0) refuse(path, `more than ${mostProperties} properties`);
  const checked: JsonObject = {};
  for (const [written, value] of Object.entries(property)) {
    const key = legacyKeys.get(written) ?? written;
    checked[key] = checkKeyword(key, value, [...path, written], refuse, count);
  }
  return checked;
}

function checkKeyword(key: string, value: Json, path: Path, refuse: Refuse, count: { left: number }): Json {
  if (key.startsWith("$") && key !== "$comment" && key !== "$schema") {
    return refuse(path, `\`${key}\` is not supported`, "write the schema out where it is used");
  }
  switch (keywords.get(key)) {
    case "type":
      return checkType(value, path, refuse);
    case "number":
      return typeof value === "number" ? value : refuse(path, `must be a number, not ${showValue(value)}`);
    case "count":
      if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
      return refuse(path, `must be a whole number from 0 up, not ${showValue(value)}`);
    case "boolean":
      return typeof value === "boolean" ? value : refuse(path, `must be true or false, not ${showValue(value)}`);
    case "text":
      return typeof value === "string" ? value : refuse(path, `must be a string, not ${showValue(value)}`);
    case "pattern":
      return checkPattern(value, path, refuse);
    case "choices":
      return Array.isArray(value) && value.length > 0 ? value : refuse(path, "must be a list of at least one value");
    case "required":
      if (typeof value === "boolean" || (Array.isArray(value) && value.every((name) => typeof name === "string"))) return value;
      return refuse(path, `must be true or false, or a list of names, not ${showValue(value)}`);
    case "schema":
      return typeof value === "boolean" ? value : checkProperty(value, path, refuse, count);
    case "schemas":
      if (!Array.isArray(value) || value.length === 0) return refuse(path, "must be a list of schemas");
      return value.map((item, i) => checkProperty(item, [...path, i], refuse, count));
    case "items":
      if (typeof value === "boolean" || !Array.isArray(value)) return checkKeyword("not", value, path, refuse, count);
      return value.map((item, i) => checkProperty(item, [...path, i], refuse, count));
    case "properties":
    case "patterns":
      if (!isObject(value)) return refuse(path, `must be an object, not ${showValue(value)}`);
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => {
          if (key === "patternProperties") checkPattern(name, [...path, name], refuse);
          return [name, checkProperty(item, [...path, name], refuse, count)];
        }),
      );
    default:
      return value;
  }
}

function checkType(value: Json, path: Path, refuse: Refuse): Json {
  for (const type of Array.isArray(value) && value.length > 0 ? value : [value]) {
    if (typeof type !== "string") return refuse(path, `must be the name of a type, not ${showValue(type)}`);
    if (types.has(type)) continue;
    const near = otherTypes.get(type.toLowerCase()) ?? nearest(type, types);
    return refuse(path, `unknown type \`${type}\``, near ? `did you mean \`${near}\`?` : `known are ${[...types].join(", ")}`);
  }
  return value;
}

function checkPattern(value: Json, path: Path, refuse: Refuse): Json {
  if (typeof value !== "string") return refuse(path, `must be a regular expression, not ${showValue(value)}`);
  try {
    compileRegex(value);
    return value;
  } catch (error) {
    return refuse(path, toError(error).message, error instanceof AttuneError ? error.hint : undefined);
  }
}
