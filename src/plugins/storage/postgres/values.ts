import { types } from "pg";

const INT8 = 20;
const INT8_ARRAY = 1016;
const TEXT_ARRAY = 1009;

/** `bigint` as a number while that is exact, else as its digits. */
function parseInt8(digits: string): number | string {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : digits;
}

/** How columns become JavaScript values: as `pg` does it, but `bigint` is a number whenever a number can hold it. */
export const columnTypes = {
  getTypeParser(oid: number, format?: "text" | "binary"): unknown {
    if (format !== "binary") {
      if (oid === INT8) return parseInt8;
      if (oid === INT8_ARRAY) return (text: string) => parseArray(text);
    }
    return types.getTypeParser(oid, format);
  },
};

const parseTextArray = types.getTypeParser(TEXT_ARRAY as number, "text") as (text: string) => NestedDigits[];
type NestedDigits = string | null | NestedDigits[];

function parseArray(text: string): unknown[] {
  const convert = (item: NestedDigits): unknown =>
    Array.isArray(item) ? item.map(convert) : item === null ? null : parseInt8(item);
  return parseTextArray(text).map(convert);
}

/**
 * A parameter as PostgreSQL reads it: text, bytes or null. Everything that can fail does so here, before a byte is sent:
 * `pg` closes a named statement whose parameters it can't encode, yet goes on believing that the server has it.
 */
export function encodeParameter(value: unknown): string | Buffer | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return encodeArray(value);
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`a ${typeof value} can't be a parameter`);
  return String(value);
}

function encodeArray(items: readonly unknown[]): string {
  return `{${items.map(encodeItem).join(",")}}`;
}

function encodeItem(item: unknown): string {
  if (Array.isArray(item)) return encodeArray(item);
  const encoded = encodeParameter(item);
  if (encoded === null) return "NULL";
  const text = typeof encoded === "string" ? encoded : `\\x${encoded.toString("hex")}`;
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
