import type { Json, JsonObject } from "../plugin.ts";
import { forbiddenKeys } from "../values.ts";

/** What CEL yields as JSON: integers become numbers, timestamps RFC 3339, durations text such as `90s`. Throws when it can't. */
export function toJson(value: unknown): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      throw new Error(`the result is ${value}, which JSON can't hold`);
    case "bigint":
      return safeNumber(value);
    case "object":
      return value === null ? null : objectToJson(value);
    default:
      throw new Error(`the result is a ${typeof value}, which JSON can't hold`);
  }
}

function objectToJson(value: object): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Date) return value.toISOString();
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  }
  const plain = value.valueOf();
  if (typeof plain === "bigint") return safeNumber(plain);
  if (typeof plain === "number") return String(value);
  throw new Error("the result is not a value that JSON can hold");
}

function safeNumber(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new Error(`the result ${value} is beyond the whole numbers that JSON holds exactly; use string(...)`);
}

/** A copy without keys that clash with the engine's own, at any depth. */
export function withoutForbiddenKeys<T extends Json>(value: T): T;
export function withoutForbiddenKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => withoutForbiddenKeys(item));
  if (typeof value !== "object" || value === null) return value;
  const copy: JsonObject = {};
  for (const [key, item] of Object.entries(value)) if (!forbiddenKeys.has(key)) copy[key] = withoutForbiddenKeys(item);
  return copy;
}
