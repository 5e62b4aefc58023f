import { nearest } from "../../errors.ts";
import type { Json, JsonObject } from "../../plugin.ts";
import { isObject, ownValue } from "../../values.ts";

/** Where a key within a field stands that the schema of the field does not know, and the nearest known one. */
export interface UnknownKey {
  readonly path: readonly (string | number)[];
  readonly near: string | undefined;
}

/** The keys within `value` that have no meaning, as far as the schema lists which have one. */
export function* unknownKeys(schema: JsonObject, value: Json, path: UnknownKey["path"]): Generator<UnknownKey> {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (isObject(items)) for (const [i, item] of value.entries()) yield* unknownKeys(items, item, [...path, i]);
  }
  if (!isObject(value)) return;
  const properties = isObject(schema["properties"]) ? schema["properties"] : null;
  const others = isObject(schema["additionalProperties"]) ? schema["additionalProperties"] : null;
  for (const [key, item] of Object.entries(value)) {
    const inner = (properties && ownValue(properties, key)) ?? others;
    if (isObject(inner)) yield* unknownKeys(inner, item, [...path, key]);
    else if (properties) yield { path: [...path, key], near: nearest(key, Object.keys(properties)) };
  }
}
