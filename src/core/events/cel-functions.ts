import { EvaluationError } from "@marcbachmann/cel-js";
import { compileRegex } from "../regex.ts";
import { isTruthy } from "./truth.ts";

/** Values arrive as CEL holds them: whole numbers written in the expression are bigint, all of JSON's are number. */
type Handler = (...values: unknown[]) => unknown;

const longestText = 1024 * 1024;
/** CEL methods that are replaced by ours, which no value can make slow or huge. */
export const replacedMethods: ReadonlyMap<string, string> = new Map([
  ["matches", "re2_matches"],
  ["join", "bounded_join"],
]);

/**
 * Functions that expressions have besides CEL's own, by signature: those of the contract's expression language, and what
 * replaces CEL's. A handler that throws makes the evaluation fail with its message.
 */
export function celFunctions(spend: (units: number) => void): ReadonlyMap<string, Handler> {
  const matches: Handler = (value, pattern) => {
    const text = textOf(value, "matches");
    spend(1 + text.length / 128);
    return compileRegex(textOf(pattern, "matches")).test(text);
  };
  return new Map<string, Handler>([
    ["truthy(dyn): bool", isTruthy],
    ["matches(dyn, dyn): bool", matches],
    ["match(dyn, dyn): bool", matches],
    ["string.re2_matches(string): bool", matches],
    ["list<dyn>.bounded_join(): string", join],
    ["list<dyn>.bounded_join(string): string", join],
    ["at(dyn, dyn): dyn", at],
    ["contains(dyn, dyn): bool", contains],
    ["starts_with(dyn, dyn): bool", (value, start) => textOf(value, "starts_with").startsWith(textOf(start, "starts_with"))],
    ["ends_with(dyn, dyn): bool", (value, end) => textOf(value, "ends_with").endsWith(textOf(end, "ends_with"))],
    ["lower(dyn): string", (value) => textOf(value, "lower").toLowerCase()],
    ["upper(dyn): string", (value) => textOf(value, "upper").toUpperCase()],
    ["trim(dyn): string", (value) => textOf(value, "trim").trim()],
    ["split(dyn, dyn): list<string>", (value, by) => textOf(value, "split").split(textOf(by, "split"))],
    ["join(dyn, dyn): string", join],
    ["replace(dyn, dyn, dyn): string", replace],
    ["length(dyn): dyn", length],
    ["index_of(dyn, dyn): dyn", indexOf],
    ["keys(dyn): list<string>", (value) => Object.keys(objectOf(value, "keys"))],
    ["values(dyn): list<dyn>", (value) => Object.values(objectOf(value, "values"))],
    ["number(dyn): double", (value) => numberOf(value, "number")],
    ["type_of(dyn): string", typeOf],
    ["abs(dyn): double", (value) => Math.abs(numberOf(value, "abs"))],
    ["floor(dyn): double", (value) => Math.floor(numberOf(value, "floor"))],
    ["ceil(dyn): double", (value) => Math.ceil(numberOf(value, "ceil"))],
    ["round(dyn): double", (value) => Math.round(numberOf(value, "round"))],
    ["min(dyn): double", (list) => extreme(listOf(list, "min"), "min")],
    ["max(dyn): double", (list) => extreme(listOf(list, "max"), "max")],
    ["min(dyn, dyn): double", (a, b) => extreme([a, b], "min")],
    ["max(dyn, dyn): double", (a, b) => extreme([a, b], "max")],
    ["sum(dyn): double", (list) => listOf(list, "sum").reduce<number>((sum, item) => sum + numberOf(item, "sum"), 0)],
  ]);
}

function at(list: unknown, index: unknown): unknown {
  const item = listOf(list, "at").at(numberOf(index, "at"));
  if (item === undefined) throw new EvaluationError({ code: "index_out_of_bounds", message: `at: there is no item ${index}` });
  return item;
}

function contains(holder: unknown, wanted: unknown): boolean {
  if (typeof holder === "string") return holder.includes(textOf(wanted, "contains"));
  const plain = typeof wanted === "bigint" ? Number(wanted) : wanted;
  if (Array.isArray(holder)) return holder.some((item) => item === wanted || item === plain);
  return Object.hasOwn(objectOf(holder, "contains"), textOf(wanted, "contains"));
}

function replace(value: unknown, search: unknown, by: unknown): string {
  return glue(textOf(value, "replace").split(textOf(search, "replace")), textOf(by, "replace"), "replace");
}

function join(list: unknown, by: unknown = ""): string {
  const parts = listOf(list, "join").map((item) => (typeof item === "bigint" ? String(item) : item));
  return glue(
    parts.map((part) => (typeof part === "number" ? String(part) : textOf(part, "join"))),
    textOf(by, "join"),
    "join",
  );
}

/** Two values of ordinary size can multiply into gigabytes here, so the size is known before the text is made. */
function glue(parts: string[], by: string, name: string): string {
  const size = parts.reduce((sum, part) => sum + part.length, 0) + by.length * (parts.length - 1);
  if (size > longestText) throw new Error(`${name}: the result would have ${size} characters, ${longestText} is the limit`);
  return parts.join(by);
}

function length(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  return Object.keys(objectOf(value, "length")).length;
}

function indexOf(holder: unknown, wanted: unknown): number {
  if (typeof holder === "string") return holder.indexOf(textOf(wanted, "index_of"));
  const plain = typeof wanted === "bigint" ? Number(wanted) : wanted;
  return listOf(holder, "index_of").findIndex((item) => item === wanted || item === plain);
}

function extreme(values: unknown[], name: "min" | "max"): number {
  if (values.length === 0) throw new Error(`${name}: the list is empty`);
  return values.map((value) => numberOf(value, name)).reduce((a, b) => Math[name](a, b));
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  if (typeof value === "bigint") return "number";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function textOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${name}: expected a string, got ${typeOf(value)}`);
}

function listOf(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`${name}: expected a list, got ${typeOf(value)}`);
}

function objectOf(value: unknown, name: string): object {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new Error(`${name}: expected an object, got ${typeOf(value)}`);
}

function numberOf(value: unknown, name: string): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "bigint") return Number(number);
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw new Error(
    `${name}: expected a number, got ${typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : typeOf(value)}`,
  );
}
