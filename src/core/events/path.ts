import type { Json, JsonObject } from "../plugin.ts";

/**
 * The value at a dotted path, own properties and list indexes only; undefined when any part of the way is missing.
 */
export function lookUp(root: Json | undefined, path: readonly string[]): Json | undefined {
  let value = root;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value)) {
      if (!/^\d+$/.test(key)) return undefined;
      value = value[Number(key)];
    } else {
      value = Object.hasOwn(value, key) ? (value as JsonObject)[key] : undefined;
    }
  }
  return value;
}
