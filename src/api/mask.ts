import type { Json, JsonObject } from "../core/plugin.ts";
import type { FlatSchema } from "../core/registry.ts";
import { isObject } from "../core/values.ts";

export const masked = "********";

/** Replaces what the schema marks `secret: true`, at any depth, whatever its type; null stays null. */
export function maskSecrets(schema: FlatSchema | JsonObject, values: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Object.hasOwn(schema, name) ? maskValue(schema[name], value) : value]),
  );
}

function maskValue(property: Json | undefined, value: Json): Json {
  if (!isObject(property) || value === null) return value;
  if (property["secret"] === true) return masked;
  if (Array.isArray(value)) return value.map((item) => maskValue(property["items"], item));
  const properties = property["properties"];
  return isObject(value) && isObject(properties) ? maskSecrets(properties, value) : value;
}

/** The schema without the defaults of secret properties. */
export function maskSchema(schema: FlatSchema): FlatSchema {
  return Object.fromEntries(
    Object.entries(schema).map(([name, property]) => [
      name,
      property["secret"] === true && "default" in property ? { ...property, default: masked } : property,
    ]),
  );
}
