import type { Json } from "./plugin.ts";

/**
 * JSON text that PostgreSQL's jsonb takes. It knows neither NUL nor lone surrogates, which a script may well print; both
 * become U+FFFD.
 */
export function jsonText(value: Json | object): string {
  const text = JSON.stringify(value);
  // Well-formed JSON.stringify writes both as escapes, so a text without these two sequences needs no second look.
  if (!text.includes("\\u0000") && !text.includes("\\ud")) return text;
  return text.replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g, "$1\uFFFD");
}

/** Text that a PostgreSQL text column takes. */
export function storableText(text: string): string {
  return text.includes("\0") || !text.isWellFormed() ? text.replaceAll("\0", "\uFFFD").toWellFormed() : text;
}

/** True when the value nests deeper than `limit` objects and lists. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (limit === 0) return true;
  for (const item of Object.values(value)) {
    if (isDeeperThan(item, limit - 1)) return true;
  }
  return false;
}
