import type { Json } from "../plugin.ts";
import { compileRegex } from "../regex.ts";

/** Whether a field's value, which is there, meets the condition. */
export type Test = (actual: Json) => boolean;

interface Operator {
  /** How it reads in a reason: `payload.level equals "error"`. */
  readonly words: string;
  /** Builds the test for the value the condition states; throws an Error that says what is wrong with that value. */
  readonly build: (expected: Json) => Test;
}

const equals: Operator = { words: "equals", build: (expected) => (actual) => isEqual(actual, expected) };
const contains: Operator = { words: "contains", build: (expected) => (actual) => holds(actual, expected) };
const inList: Operator = {
  words: "is in",
  build(expected) {
    if (!Array.isArray(expected)) throw new Error("must be a list");
    return (actual) => expected.some((item) => isEqual(actual, item));
  },
};
const matches: Operator = {
  words: "matches",
  build(expected) {
    const regex = compileRegex(text(expected));
    return (actual) => typeof actual === "string" && regex.test(actual);
  },
};
const greater = ordered("is greater than", (order) => order > 0);
const less = ordered("is less than", (order) => order < 0);
const atLeast = ordered("is at least", (order) => order >= 0);
const atMost = ordered("is at most", (order) => order <= 0);

/** Every operator of a condition's list but `exists` and `not_exists`, which look at no value. */
export const operators: ReadonlyMap<string, Operator> = new Map([
  ["equals", equals],
  ["not_equals", not(equals, "does not equal")],
  ["contains", contains],
  ["not_contains", not(contains, "does not contain")],
  ["greater_than", greater],
  ["gt", greater],
  ["less_than", less],
  ["lt", less],
  ["greater_or_equal", atLeast],
  ["gte", atLeast],
  ["less_or_equal", atMost],
  ["lte", atMost],
  ["in", inList],
  ["not_in", not(inList, "is not in")],
  ["starts_with", textual("starts with", (actual, expected) => actual.startsWith(expected))],
  ["ends_with", textual("ends with", (actual, expected) => actual.endsWith(expected))],
  ["matches", matches],
  ["regex", matches],
]);

function not({ build }: Operator, words: string): Operator {
  return {
    words,
    build(expected) {
      const test = build(expected);
      return (actual) => !test(actual);
    },
  };
}

function ordered(words: string, accepts: (order: number) => boolean): Operator {
  return {
    words,
    build(expected) {
      if (typeof expected !== "number" && typeof expected !== "string") throw new Error("must be a number or a string");
      return (actual) => typeof actual === typeof expected && accepts(compare(actual as typeof expected, expected));
    },
  };
}

function compare(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function textual(words: string, accepts: (actual: string, expected: string) => boolean): Operator {
  return {
    words,
    build(expected) {
      const wanted = text(expected);
      return (actual) => typeof actual === "string" && accepts(actual, wanted);
    },
  };
}

function text(expected: Json): string {
  if (typeof expected !== "string") throw new Error("must be a string");
  return expected;
}

/** A string holds a part, a list an item, an object a key. */
function holds(actual: Json, expected: Json): boolean {
  if (typeof actual === "string") return typeof expected === "string" && actual.includes(expected);
  if (Array.isArray(actual)) return actual.some((item) => isEqual(item, expected));
  return typeof actual === "object" && actual !== null && typeof expected === "string" && Object.hasOwn(actual, expected);
}

function isEqual(a: Json, b: Json): boolean {
  return a === b || (typeof a === "object" && typeof b === "object" && Bun.deepEquals(a, b));
}
