import type { JsonObject } from "../core/plugin.ts";
import type { FlatSchema } from "../core/registry.ts";
import { holdsSecret, maskValue } from "../core/schema/secrets.ts";
import { isObject } from "../core/values.ts";

/** The schema without the defaults of secret properties, at any depth. */
export function maskSchema(schema: FlatSchema): FlatSchema {
  return Object.fromEntries(Object.entries(schema).map(([name, property]) => [name, maskDefaults(property)]));
}

function maskDefaults(property: JsonObject): JsonObject {
  if (!holdsSecret(property)) return property;
  const { default: fallback, items, properties } = property;
  return {
    ...property,
    ...(fallback !== undefined && { default: maskValue(property, fallback) }),
    ...(isObject(items) && { items: maskDefaults(items) }),
    ...(isObject(properties) && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, inner]) => [name, isObject(inner) ? maskDefaults(inner) : inner]),
      ),
    }),
  };
}
