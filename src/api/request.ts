import type { Context } from "hono";
import { AttuneError, nearest } from "../core/errors.ts";
import { isUuid } from "../core/ids.ts";
import type { Json, JsonObject } from "../core/plugin.ts";
import { isObject } from "../core/values.ts";
import { listEnvelope, type Page, readPage, type Slice, slice } from "./paging.ts";

/** Reading what a client sent, with a refusal that names the field. */

/** The `id` of the path. What is not a UUID names nothing. */
export function pathId(context: Context, what: string): string {
  const id = context.req.param("id") ?? "";
  if (!isUuid(id)) throw notFound(what, id, []);
  return id;
}

export function pathRef(context: Context): string {
  return context.req.param("ref") ?? "";
}

export function notFound(what: string, name: string, known: Iterable<string>): AttuneError {
  const near = nearest(name.slice(0, 200), known);
  return new AttuneError("NOT_FOUND", `there is no ${what} ${name.slice(0, 200)}`, near ? { hint: `did you mean ${near}?` } : {});
}

export function queryUuid(context: Context, name: string): string | undefined {
  const value = context.req.query(name);
  if (value !== undefined && !isUuid(value)) throw new AttuneError("USAGE", `${name} must be a UUID`);
  return value;
}

export function queryWord<Word extends string>(context: Context, name: string, words: readonly Word[]): Word | undefined {
  const value = context.req.query(name);
  if (value === undefined) return undefined;
  const word = words.find((candidate) => candidate === value);
  if (!word) throw new AttuneError("USAGE", `${name} must be one of ${words.join(", ")}`);
  return word;
}

export function queryFlag(context: Context, name: string): boolean | undefined {
  const word = queryWord(context, name, ["true", "false"]);
  return word === undefined ? undefined : word === "true";
}

/** A text filter. NUL is in no stored text, and PostgreSQL refuses it. */
export function queryText(context: Context, ...names: readonly string[]): string | undefined {
  const value = names.map((name) => context.req.query(name)).find((found) => found !== undefined);
  if (value?.includes("\0")) throw new AttuneError("USAGE", `${names[0]} must not contain a NUL character`);
  return value;
}

function page(context: Context): Page {
  return readPage((name) => context.req.query(name));
}

/** A page of what is held in memory. */
export function listed<T>(context: Context, all: readonly T[]): Response {
  const wanted = page(context);
  return context.json(listEnvelope(slice(all, wanted), wanted));
}

/** A page of what the database holds. */
export async function found<T>(context: Context, load: (page: Page) => Promise<Slice<T>>): Promise<Response> {
  const wanted = page(context);
  return context.json(listEnvelope(await load(wanted), wanted));
}

export function optionalText(body: JsonObject, name: string, maxLength = 1024): string | null {
  const value = own(body, name);
  if (value === undefined || value === null) return null;
  if (typeof value !== "string" || value.length > maxLength || value.includes("\0")) {
    throw new AttuneError("BODY_INVALID", `${name} must be a string of at most ${maxLength} characters`);
  }
  return value;
}

export function requiredText(body: JsonObject, ...names: readonly [string, ...string[]]): string {
  const value = names.map((name) => optionalText(body, name)).find((text) => text !== null && text !== "");
  if (!value) throw new AttuneError("BODY_INVALID", `${names[0]} is required`);
  return value;
}

/** An object, `{}` when left out. */
export function optionalObject(body: JsonObject, name: string): JsonObject {
  const value = own(body, name) ?? {};
  if (!isObject(value)) throw new AttuneError("BODY_INVALID", `${name} must be an object`);
  return value;
}

export function optionalFlag(body: JsonObject, name: string, fallback: boolean): boolean {
  const value = own(body, name) ?? fallback;
  if (typeof value !== "boolean") throw new AttuneError("BODY_INVALID", `${name} must be true or false`);
  return value;
}

export function own(body: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(body, name) ? body[name] : undefined;
}
