import { nearest, toError } from "./errors.ts";
import type { Json, JsonObject } from "./plugin.ts";
import type { FlatSchema } from "./registry.ts";
import { compileSchema } from "./schema/schema.ts";
import { holdsSecret, masked } from "./schema/secrets.ts";
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
  /** Its schema says so, even if of a part of it only, or it said so when the value was set. */
  readonly secret: boolean;
  /** A value that was left out because it is wrong, or that is required and missing. */
  readonly problem: string | null;
}

/** The configuration a pack runs with. */
export interface PackConfig {
  readonly values: JsonObject;
  /** The values with {@link masked} in place of secrets; the same object when there are none. */
  readonly shown: JsonObject;
  /** Every key that the schema or one of the places knows, sorted. */
  readonly entries: readonly ConfigEntry[];
  /** Changes with the values. */
  readonly revision: string;
}

/**
 * The strongest value of each key that fits `conf_schema`; one that does not fit leaves the next weaker in force. An empty
 * schema takes everything. What was set under a key of `sealed` is secret whatever the schema says by now. Pure.
 */
export function layerConfig(schema: FlatSchema, layers: ConfigLayers, sealed: ReadonlySet<string> = new Set()): PackConfig {
  const keys = new Set([...Object.keys(schema), ...Object.values(layers).flatMap((layer) => Object.keys(layer))]);
  const entries = [...keys]
    .filter((key) => !forbiddenKeys.has(key))
    .sort()
    .map((key) => entryOf(schema, layers, sealed, key));
  const given = entries.filter(({ origin }) => origin !== null);
  const values = Object.fromEntries(given.map(({ key, value }) => [key, value]));
  const shown = given.some(({ secret }) => secret)
    ? Object.fromEntries(given.map(({ key, value, secret }) => [key, secret ? masked : value]))
    : values;
  return { values, shown, entries, revision: Bun.hash(JSON.stringify(values)).toString(36) };
}

function entryOf(schema: FlatSchema, layers: ConfigLayers, sealed: ReadonlySet<string>, key: string): ConfigEntry {
  const property = Object.hasOwn(schema, key) ? schema[key] : undefined;
  // What is wrong with a secret is told without the secret.
  const hiding = property && { ...schema, [key]: { ...property, secret: true } };
  const stated = configOrigins.toReversed().flatMap((origin) => {
    const value = ownValue(origin === "conf_schema" ? defaultOf(property, key) : layers[origin], key);
    if (value === undefined || value === null) return [];
    const isSealed = origin === "set" && sealed.has(key);
    return [{ origin, value, flaw: flawOf((isSealed && hiding) || schema, key, value) }];
  });
  const chosen = stated.find(({ flaw }) => flaw === null);
  const wrong = stated.slice(0, chosen ? stated.indexOf(chosen) : undefined).map(({ origin, flaw }) => `${origin}: ${flaw}`);
  const missing = !chosen && property?.["required"] === true ? [`${key} is required`] : [];
  const problems = [...wrong, ...missing];
  return {
    key,
    value: chosen?.value ?? null,
    origin: chosen?.origin ?? null,
    secret: holdsSecret(property) || (chosen?.origin === "set" && sealed.has(key)),
    problem: problems.length > 0 ? problems.join("; ") : null,
  };
}

function defaultOf(property: JsonObject | undefined, key: string): JsonObject {
  const fallback = ownValue(property ?? {}, "default");
  return fallback === undefined ? {} : { [key]: fallback };
}

/** Of a pack that is not there. */
export const noConfig: Pick<PackConfig, "values" | "shown"> = layerConfig(
  {},
  { "pack.yaml": {}, "attune.config.ts": {}, set: {} },
);

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
