import type { Json, JsonObject } from "../plugin.ts";
import type { FlatSchema } from "../registry.ts";
import { isObject } from "../values.ts";

/** What is shown in place of a secret. */
export const masked = "********";

/** Whether a property of a schema, or anything within it, is `secret: true`. */
export function holdsSecret(property: Json | undefined): boolean {
  if (typeof property !== "object" || property === null) return false;
  return (isObject(property) && property["secret"] === true) || Object.values(property).some(holdsSecret);
}

/** Replaces what the schema marks `secret: true`, at any depth, whatever its type; null stays null. */
export function maskSecrets(schema: FlatSchema | JsonObject, values: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Object.hasOwn(schema, name) ? maskValue(schema[name], value) : value]),
  );
}

/** The same of one value and its property. */
export function maskValue(property: Json | undefined, value: Json): Json {
  if (!isObject(property) || value === null) return value;
  if (property["secret"] === true) return masked;
  if (Array.isArray(value)) return value.map((item) => maskValue(property["items"], item));
  const properties = property["properties"];
  return isObject(value) && isObject(properties) ? maskSecrets(properties, value) : value;
}
