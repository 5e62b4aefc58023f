import { RE2JS } from "re2js";
import { AttuneError, toError } from "./errors.ts";

export interface Regex {
  /** Whether the pattern is found anywhere in the text. Takes time linear in the length of the text. */
  test(text: string): boolean;
}

const longestPattern = 1000;
const cacheSize = 500;
/** Patterns mean the same for ever, so one cache serves all; the oldest leaves when it is full. */
const compiled = new Map<string, Regex>();

/**
 * A regular expression in RE2's syntax (no look-around, no back-references), which no text can make slow. The engine's own
 * backtracks: on a bad pattern it blocks for most of a second and then answers "no match".
 *
 * Throws EXPRESSION_INVALID.
 */
export function compileRegex(pattern: string): Regex {
  const known = compiled.get(pattern);
  if (known) return known;
  const made = compileNew(pattern);
  if (compiled.size >= cacheSize) compiled.delete(compiled.keys().next().value ?? "");
  compiled.set(pattern, made);
  return made;
}

/** What a pattern finds first in a text, and what its first group holds. Throws EXPRESSION_INVALID. */
export function findFirst(pattern: string, text: string): { readonly text: string; readonly group: string | null } | null {
  const matcher = compileNew(pattern).matcher(text);
  if (!matcher.find()) return null;
  return { text: matcher.group() ?? "", group: matcher.groupCount() > 0 ? matcher.group(1) : null };
}

function compileNew(pattern: string): RE2JS {
  if (pattern.length > longestPattern) {
    throw new AttuneError("EXPRESSION_INVALID", `regular expression longer than ${longestPattern} characters`);
  }
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new AttuneError("EXPRESSION_INVALID", `invalid regular expression ${JSON.stringify(pattern)}: ${reasonOf(error)}`, {
      hint: "patterns are in RE2 syntax, which has no look-around and no back-references",
      cause: error,
    });
  }
}

function reasonOf(error: unknown): string {
  return toError(error).message.replace(/^error parsing regexp: /, "");
}
