import { nearest, toError } from "./errors.ts";
import type { Json, JsonObject } from "./plugin.ts";
import type { FlatSchema } from "./registry.ts";
import { compileSchema } from "./schema/schema.ts";
import { forbiddenKeys, ownValue } from "./values.ts";

/** Where a value of a pack's configuration comes from, the weakest first. `set`: by `attune pack config`. */
export const configOrigins = ["conf_schema", "pack.yaml", "attune.config.ts", "set"] as const;
export type ConfigOrigin = (typeof configOrigins)[number];

/** What each place says; `conf_schema` speaks through its defaults. */
export type ConfigLayers = Readonly<Record<Exclude<ConfigOrigin, "conf_schema">, JsonObject>>;

export interface ConfigEntry {
  readonly key: string;
  readonly value: Json;
  /** null: nothing gives it a value. */
  readonly origin: ConfigOrigin | null;
  readonly secret: boolean;
  /** A value that was left out because it is wrong, or that is required and missing. */
  readonly problem: string | null;
}

/** The configuration a pack runs with. */
export interface PackConfig {
  readonly values: JsonObject;
  /** Every key that the schema or one of the places knows, sorted. */
  readonly entries: readonly ConfigEntry[];
  /** Changes with the values. */
  readonly revision: string;
}

/**
 * The strongest value of each key that fits `conf_schema`; one that does not fit leaves the next weaker in force. An empty
 * schema takes everything. Pure.
 */
export function layerConfig(schema: FlatSchema, layers: ConfigLayers): PackConfig {
  const keys = new Set([...Object.keys(schema), ...Object.values(layers).flatMap((layer) => Object.keys(layer))]);
  const entries = [...keys]
    .filter((key) => !forbiddenKeys.has(key))
    .sort()
    .map((key) => entryOf(schema, layers, key));
  const values = Object.fromEntries(entries.filter(({ origin }) => origin !== null).map(({ key, value }) => [key, value]));
  return { values, entries, revision: Bun.hash(JSON.stringify(values)).toString(36) };
}

function entryOf(schema: FlatSchema, layers: ConfigLayers, key: string): ConfigEntry {
  const property = Object.hasOwn(schema, key) ? schema[key] : undefined;
  const stated = configOrigins.toReversed().flatMap((origin) => {
    const value = ownValue(origin === "conf_schema" ? defaultOf(property, key) : layers[origin], key);
    return value === undefined || value === null ? [] : [{ origin, value, flaw: flawOf(schema, key, value) }];
  });
  const chosen = stated.find(({ flaw }) => flaw === null);
  const wrong = stated.slice(0, chosen ? stated.indexOf(chosen) : undefined).map(({ origin, flaw }) => `${origin}: ${flaw}`);
  const missing = !chosen && property?.["required"] === true ? [`${key} is required`] : [];
  const problems = [...wrong, ...missing];
  return {
    key,
    value: chosen?.value ?? null,
    origin: chosen?.origin ?? null,
    secret: property?.["secret"] === true,
    problem: problems.length > 0 ? problems.join("; ") : null,
  };
}

function defaultOf(property: JsonObject | undefined, key: string): JsonObject {
  const fallback = ownValue(property ?? {}, "default");
  return fallback === undefined ? {} : { [key]: fallback };
}

/** What is wrong with one value by itself, or null. */
export function flawOf(schema: FlatSchema, key: string, value: Json): string | null {
  const names = Object.keys(schema);
  if (names.length === 0) return null;
  const property = Object.hasOwn(schema, key) ? schema[key] : undefined;
  if (!property) {
    const near = nearest(key, names);
    return `unknown key ${key}; ${near ? `did you mean ${near}?` : `the keys are ${names.join(", ")}`}`;
  }
  try {
    compileSchema({ [key]: property }).check({ [key]: value });
    return null;
  } catch (thrown) {
    return toError(thrown).message;
  }
}
