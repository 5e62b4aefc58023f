import { Ajv, type ErrorObject, type Format, type ValidateFunction } from "ajv";
import { fullFormats } from "ajv-formats/dist/formats.js";
import type { Json } from "../plugin.ts";
import { compileRegex } from "../regex.ts";
import type { FlatSchema } from "../registry.ts";
import { ownFormats } from "./formats.ts";
import { toJsonSchema } from "./keywords.ts";

export type Validate = (values: Json) => readonly ErrorObject[];

/** The expressions behind some formats take more than linear time, so what they are tried on is short. */
const longestFormatted = 4096;
const linearFormats = new Set(["byte", "binary", "password"]);

/** A function that compiles schemas to validators. Each costs about a millisecond, so compile what is used, and keep it. */
export function makeCompiler(): (flat: FlatSchema) => Validate {
  const regExp = Object.assign((pattern: string) => compileRegex(pattern), { code: "compileRegex" });
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: false,
    ownProperties: true,
    validateSchema: false,
    meta: false,
    logger: false,
    code: { regExp },
    formats: { ...boundedFormats(), regex: isRegex },
  });
  // The built-in one compares each item with each other.
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({ keyword: "uniqueItems", type: "array", schemaType: "boolean", errors: false, validate: isUnique });
  return (flat) => {
    const schema = toJsonSchema(flat);
    const validate: ValidateFunction = ajv.compile(schema);
    // Otherwise it would keep every schema there ever was.
    ajv.removeSchema(schema);
    return (values) => (validate(values) ? [] : (validate.errors ?? []));
  };
}

function boundedFormats(): Record<string, Format> {
  const own = [...ownFormats].map(([name, { flaw }]) => [name, (text: string) => flaw(text) === undefined] as const);
  return Object.fromEntries([...Object.entries(fullFormats), ...own].map(([name, format]) => [name, bounded(name, format)]));
}

function bounded(name: string, format: Format): Format {
  const test = testOf(format);
  return test && !linearFormats.has(name) ? (text: string) => text.length <= longestFormatted && test(text) : format;
}

function testOf(format: Format): ((text: string) => boolean) | undefined {
  if (format instanceof RegExp) return (text) => format.test(text);
  if (typeof format === "function") return format;
  if (typeof format !== "object" || format.async || format.type === "number") return undefined;
  const { validate } = format;
  if (typeof validate === "function") return (text) => Boolean((validate as (text: string) => unknown)(text));
  return validate instanceof RegExp ? (text) => validate.test(text) : undefined;
}

function isRegex(text: string): boolean {
  try {
    compileRegex(text);
    return true;
  } catch {
    // What does not compile is the answer here, not a failure.
    return false;
  }
}

function isUnique(wanted: boolean, items: Json[]): boolean {
  return !wanted || new Set(items.map(canonical)).size === items.length;
}

/** The same text for equal values, whatever the order of their keys. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_, part: Json) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
