import type { ErrorObject } from "ajv";
import { nearest } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { FlatSchema } from "../registry.ts";
import { formatPath, type Spot } from "../spot.ts";
import { isObject, ownValue, showValue } from "../values.ts";
import { ownFormats } from "./formats.ts";
import { holdsSecret } from "./secrets.ts";

export interface Problem extends Spot {
  readonly message: string;
  readonly hint: string | undefined;
  /** A value that is wrong, a key that nothing knows, or one that is missing from the object at `path`. */
  readonly kind: "value" | "unknown" | "missing";
}

/** What a validator found, in words: `seconds: must be integer, got "abc"`. Values of secret parameters are not shown. */
export function explain(flat: FlatSchema, given: JsonObject, error: ErrorObject): Problem {
  const path = pathOf(error.instancePath, given);
  const name = formatPath(path);
  const at = name === "" ? "" : `${name}: `;
  switch (error.keyword) {
    case "required": {
      const key = String(error.params["missingProperty"]);
      const missing = formatPath([...path, key]);
      return { path, message: `${missing} is required`, hint: path.length === 0 ? about(flat, key) : undefined, kind: "missing" };
    }
    case "additionalProperties": {
      const key = String(error.params["additionalProperty"]);
      const near = nearest(key, Object.keys(path.length === 0 ? flat : ((error.parentSchema?.["properties"] as object) ?? {})));
      const known = path.length === 0 ? `the parameters are ${Object.keys(flat).join(", ")}` : undefined;
      const message = path.length === 0 ? `unknown parameter \`${key}\`` : `${at}unknown key \`${key}\``;
      return { path: [...path, key], message, hint: near ? `did you mean \`${near}\`?` : known, kind: "unknown" };
    }
    default: {
      const [parameter] = path;
      const isHidden = typeof parameter === "string" && holdsSecret(flat[parameter]);
      const got = isHidden ? "" : `, got ${showValue(error.data as Json)}`;
      return { path, message: `${at}${demandOf(error)}${got}`, hint: hintFor(error) ?? about(flat, parameter), kind: "value" };
    }
  }
}

function demandOf(error: ErrorObject): string {
  switch (error.keyword) {
    case "enum":
      return `must be one of ${(error.schema as Json[]).slice(0, 20).map(showValue).join(", ")}`;
    case "const":
      return `must be ${showValue(error.schema as Json)}`;
    case "type":
      return `must be ${[error.schema].flat().join(" or ")}`;
    case "format": {
      const format = ownFormats.get(String(error.schema));
      if (!format) return error.message ?? `must be in the format ${error.schema}`;
      const flaw = format.flaw(String(error.data));
      return `must be ${format.what}${flaw === undefined ? "" : ` (${flaw})`}`;
    }
    case "uniqueItems":
      return "must not hold the same item twice";
    default:
      return error.message ?? `must satisfy ${error.keyword}`;
  }
}

function hintFor(error: ErrorObject): string | undefined {
  const value = error.data as Json;
  const types: unknown[] = [error.schema].flat();
  switch (error.keyword) {
    case "enum": {
      const near =
        typeof value === "string" &&
        nearest(
          value,
          (error.schema as Json[]).filter((one) => typeof one === "string"),
        );
      return near ? `did you mean ${near}?` : undefined;
    }
    case "format": {
      const format = ownFormats.get(String(error.schema));
      return format && `for example ${format.example}`;
    }
    case "type":
      if (types.includes("string")) return typeof value === "object" ? undefined : "put quotes around it";
      if (types.includes("boolean")) return "write true or false, without quotes";
      if (types.includes("integer") || types.includes("number")) {
        return typeof value === "string" ? "write a number without quotes and unit" : undefined;
      }
      return undefined;
    default:
      return undefined;
  }
}

/** What the schema says of a parameter, when it says something. */
function about(flat: FlatSchema, name: unknown): string | undefined {
  const description = typeof name === "string" ? ownValue(flat[name] ?? {}, "description") : undefined;
  return typeof description === "string" ? `${name}: ${description}` : undefined;
}

/** A JSON pointer as a path; what indexes a list becomes a number. */
function pathOf(pointer: string, given: JsonObject): (string | number)[] {
  let value: Json | undefined = given;
  return pointer
    .split("/")
    .slice(1)
    .map((part) => {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      const isIndex = Array.isArray(value);
      value = Array.isArray(value) ? value[Number(key)] : isObject(value) ? ownValue(value, key) : undefined;
      return isIndex ? Number(key) : key;
    });
}
