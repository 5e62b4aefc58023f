import type { Place } from "../packs/problems.ts";
import type { Json } from "../plugin.ts";
import { formatPath, type Spot } from "../spot.ts";
import { isObject } from "../values.ts";
import type { TextExpectation } from "./cases.ts";

/** One expectation that was not met. */
export interface Miss {
  /** What it is about: `exit_code`, `result.data.greeting`. */
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
  /** Where it is stated; null for what no file states. */
  readonly at: Place | null;
}

/** An expectation's path within `expect`, with what was stated and what there is. */
export interface Difference {
  readonly path: Spot["path"];
  readonly expected: string;
  readonly actual: string;
}

const longestText = 2_000;

/**
 * Where `actual` lacks something of `expected`. An object may have further keys, at any depth; a list must have the same
 * length; all else must be equal.
 */
export function subsetDifferences(expected: Json, actual: Json | undefined, path: Spot["path"]): Difference[] {
  if (isObject(expected) && isObject(actual)) {
    return Object.entries(expected).flatMap(([key, value]) =>
      subsetDifferences(value, Object.hasOwn(actual, key) ? actual[key] : undefined, [...path, key]),
    );
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.flatMap((value, i) => subsetDifferences(value, actual[i], [...path, i]));
  }
  if (actual !== undefined && Bun.deepEquals(expected, actual)) return [];
  return [{ path, expected: show(expected), actual: actual === undefined ? "nothing" : show(actual) }];
}

/** What a text lacks. */
export function textDifferences(expected: TextExpectation | null, actual: string, name: string): Difference[] {
  if (!expected) return [];
  const missing = expected.contains
    .filter((part) => !actual.includes(part))
    .map((part) => ({ path: [name, "contains"], expected: `something with ${JSON.stringify(part)}`, actual: showText(actual) }));
  const { matches } = expected;
  if (!matches || matches.regex.test(actual)) return missing;
  return [...missing, { path: [name, "matches"], expected: `a match of ${matches.pattern}`, actual: showText(actual) }];
}

export function valueDifference(name: string, expected: Json, actual: Json): Difference[] {
  return expected === actual ? [] : [{ path: [name], expected: show(expected), actual: show(actual) }];
}

export function missOf({ path, expected, actual }: Difference, at: (path: Spot["path"]) => Place): Miss {
  return { what: formatPath(path), expected, actual, at: at(["expect", ...path]) };
}

function show(value: Json): string {
  return cut(JSON.stringify(value));
}
function showText(text: string): string {
  return text === "" ? "nothing" : cut(JSON.stringify(text));
}
function cut(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text;
}
