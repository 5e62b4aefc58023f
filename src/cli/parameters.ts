import { readFileSync } from "node:fs";
import path from "node:path";
import { AttuneError, toError } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/plugin.ts";
import type { FlatSchema } from "../core/registry.ts";
import type { Io } from "./io.ts";

/**
 * The parameters a command was given: those of `--params-json` (JSON text, or `-` for standard input), then each
 * `name=value` in the type its schema asks for. `name=@file` reads a file, `name=-` standard input, `name=@@x` is `@x`.
 * `name:=json` is a value of any type. With `chomp`, a text loses the line break that files tend to end with.
 */
export async function readParameters(
  given: { pairs: readonly string[]; json: string | undefined; flag: string; chomp?: boolean },
  schema: FlatSchema,
  io: Io,
): Promise<JsonObject> {
  const base = given.json === undefined ? {} : parseObject(given.json === "-" ? await io.readStdin() : given.json, given.flag);
  const texts: Record<string, string> = Object.create(null);
  const values: JsonObject = Object.create(null);
  for (const pair of given.pairs) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new AttuneError("USAGE", `${pair} is not of the form name=value`);
    const read = await readValue(pair.slice(equals + 1), io);
    const text = given.chomp ? read.replace(/\r?\n$/, "") : read;
    if (equals > 1 && pair[equals - 1] === ":") values[pair.slice(0, equals - 1)] = parseJson(text, pair.slice(0, equals + 1));
    else texts[pair.slice(0, equals)] = text;
  }
  if (given.pairs.length === 0) return base;
  const { coerce } = await import("../core/schema/schema.ts");
  return { ...base, ...coerce(schema, texts), ...values };
}

export function parseObject(text: string, flag: string): JsonObject {
  const value = parseJson(text, flag);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new AttuneError("USAGE", `${flag} must be a JSON object`);
  return value;
}

function parseJson(text: string, flag: string): Json {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new AttuneError("USAGE", `${flag} is not valid JSON: ${toError(thrown).message}`);
  }
}

async function readValue(text: string, io: Io): Promise<string> {
  if (text === "-") return io.readStdin();
  if (text.startsWith("@@")) return text.slice(1);
  if (!text.startsWith("@")) return text;
  return readTextFile(path.resolve(io.cwd, text.slice(1)), "a value that starts with @ is written @@");
}

export function readTextFile(file: string, hint?: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    throw new AttuneError(
      "USAGE",
      `${file} cannot be read: ${(thrown as NodeJS.ErrnoException).code ?? toError(thrown).message}`,
      { hint },
    );
  }
}
