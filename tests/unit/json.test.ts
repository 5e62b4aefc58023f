import { expect, test } from "bun:test";
import fc from "fast-check";
import { isDeeperThan, jsonText, storableText } from "../../src/core/json.ts";
import type { Json } from "../../src/core/plugin.ts";

/** What PostgreSQL is to get: every NUL and lone surrogate, in values and keys, replaced by U+FFFD. */
function cleaned(value: Json): Json {
  if (typeof value === "string") return value.replaceAll("\0", "\uFFFD").toWellFormed();
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleaned(key), cleaned(item)])) as Json;
}

const awkward = fc
  .array(fc.constantFrom("\0", "\uD800", "\uDC00", "\\", "u0000", "\\ud800", '"', "\n", "a", "😀"), { maxLength: 8 })
  .map((parts) => parts.join(""));

test("JSON text is what it was but for NUL and lone surrogates, whatever backslashes stand around them", () => {
  fc.assert(
    fc.property(fc.array(fc.dictionary(awkward, awkward)), (value) => {
      expect(JSON.parse(jsonText(value))).toEqual(cleaned(value));
    }),
  );
});

test("text without NUL and lone surrogates is unchanged, and with them is storable", () => {
  fc.assert(
    fc.property(awkward, (text) => {
      const stored = storableText(text);
      expect(stored).toBe(cleaned(text) as string);
    }),
  );
});

test("depth counts objects and lists", () => {
  expect(isDeeperThan(1, 0)).toBe(false);
  expect(isDeeperThan([1], 0)).toBe(true);
  expect(isDeeperThan({ a: [1] }, 2)).toBe(false);
  expect(isDeeperThan({ a: [{}] }, 2)).toBe(true);
  expect(isDeeperThan(JSON.parse("[".repeat(5_000) + "]".repeat(5_000)), 64)).toBe(true);
});
