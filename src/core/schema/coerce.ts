import { AttuneError, toError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { FlatSchema } from "../registry.ts";
import { showValue } from "../values.ts";
import { holdsSecret } from "./secrets.ts";

type Reading = { readonly value: Json } | { readonly problem: string };

/**
 * Turns the texts of `name=value` arguments into the types that the schema declares; arrays and objects are read as JSON.
 * Of several types the first that fits is taken, string last. Names that the schema does not have stay texts.
 *
 * Throws PARAMETERS_INVALID that names every text that can't be read.
 */
export function coerce(flat: FlatSchema, texts: Readonly<Record<string, string>>): JsonObject {
  const problems: string[] = [];
  const entries = Object.entries(texts).map(([name, text]): [string, Json] => {
    const property = Object.hasOwn(flat, name) ? flat[name] : undefined;
    const reading = readAs(typesOf(property), text);
    if ("value" in reading) return [name, reading.value];
    problems.push(`${name}: ${holdsSecret(property) ? "cannot be read as its type" : reading.problem}`);
    return [name, null];
  });
  if (problems.length > 0) throw new AttuneError("PARAMETERS_INVALID", problems.join("; "));
  return Object.fromEntries(entries);
}

function typesOf(property: JsonObject | undefined): string[] {
  const types = [property?.["type"] ?? "string"].flat().filter((type) => typeof type === "string");
  return [...types].sort((a, b) => Number(a === "string") - Number(b === "string"));
}

function readAs(types: readonly string[], text: string): Reading {
  let first: Reading | undefined;
  for (const type of types) {
    const reading = read(type, text);
    if ("value" in reading) return reading;
    first ??= reading;
  }
  return first ?? { value: text };
}

function read(type: string, text: string): Reading {
  const problem = (wanted: string) => ({ problem: `must be ${wanted}, got ${showValue(text)}` });
  switch (type) {
    case "integer":
      return /^[+-]?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? { value: Number(text) } : problem("integer");
    case "number":
      return text.trim() !== "" && Number.isFinite(Number(text)) ? { value: Number(text) } : problem("number");
    case "boolean":
      if (/^(true|yes|1)$/i.test(text)) return { value: true };
      return /^(false|no|0)$/i.test(text) ? { value: false } : problem("true or false");
    case "null":
      return text === "null" ? { value: null } : problem("null");
    case "array":
    case "object":
      return readJson(type, text);
    default:
      return { value: text };
  }
}

function readJson(type: "array" | "object", text: string): Reading {
  const example = type === "array" ? '["a", 1]' : '{"a": 1}';
  try {
    const value = JSON.parse(text) as Json;
    const isRight =
      type === "array" ? Array.isArray(value) : typeof value === "object" && value !== null && !Array.isArray(value);
    return isRight ? { value } : { problem: `must be a JSON ${type} such as ${example}, got ${showValue(value)}` };
  } catch (error) {
    return { problem: `must be a JSON ${type} such as ${example}: ${toError(error).message}` };
  }
}
