import { createHmac, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { variableName } from "../environment.ts";
import { AttuneError, describeError } from "../errors.ts";
import { jsonText } from "../json.ts";
import { flawOf, layerConfig, type PackConfig } from "../pack-config.ts";
import type { Json, JsonObject, Logger, Sql } from "../plugin.ts";
import type { LoadedPack, PackManifest } from "../registry.ts";
import { holdsSecret } from "../schema/secrets.ts";
import type { Seal } from "../seal.ts";
import { forbiddenKeys } from "../values.ts";

/** The configuration of every pack: what its files, the daemon's configuration and the operator say of it. */
export interface PackConfigs {
  of(pack: LoadedPack): PackConfig;
  /** What the scripts of the pack are told of it. */
  environment(pack: LoadedPack): Readonly<Record<string, string>>;
  /** Stores values for good; all or none. Throws PARAMETERS_INVALID for the first that does not fit `conf_schema`. */
  set(pack: LoadedPack, values: JsonObject): Promise<void>;
  /** Takes back what was set. Throws NOT_FOUND for a key that was not. */
  unset(pack: LoadedPack, keys: readonly string[]): Promise<void>;
}

interface Row {
  readonly pack_ref: string;
  readonly key: string;
  readonly value: JsonObject[string] | null;
  readonly sealed: Uint8Array | null;
}

/** Bytes; Linux takes 128 KiB with the name. */
const longestVariable = 64 * 1024;

/** Reads what operators have set. `dir` holds the files that scripts read their configuration from. */
export async function openPackConfigs(options: {
  readonly storage: Sql;
  readonly seal: Seal;
  readonly dir: string;
  readonly fromFile: (pack: string) => JsonObject;
  readonly log: Logger;
}): Promise<PackConfigs> {
  const { storage, seal, dir, log } = options;
  const overrides = new Map<string, Overrides>();
  const known = new WeakMap<PackManifest, { readonly set: Overrides; readonly config: PackConfig }>();
  const environments = new WeakMap<PackConfig, Readonly<Record<string, string>>>();
  const nameKey = randomBytes(32);
  let turn: Promise<unknown> = Promise.resolve();

  async function read(): Promise<void> {
    const { rows } = await storage.query<Row>("SELECT pack_ref, key, value, sealed FROM pack_config ORDER BY pack_ref, key", []);
    for (const { pack_ref, key, value, sealed } of rows) {
      try {
        const opened = sealed ? seal.open(sealed, contextOf(pack_ref, key)) : value;
        put(pack_ref, [{ key, value: opened, isSealed: sealed !== null }]);
      } catch (thrown) {
        log.error(describeError(thrown));
      }
    }
  }

  function put(ref: string, stored: readonly { key: string; value: Json; isSealed: boolean }[]): void {
    const before = overrides.get(ref) ?? nothingSet;
    const values = { ...before.values, ...Object.fromEntries(stored.map(({ key, value }) => [key, value])) };
    const sealed = new Set(before.sealed);
    for (const { key, isSealed } of stored) isSealed ? sealed.add(key) : sealed.delete(key);
    overrides.set(ref, { values, sealed });
  }

  /** One change after the other, so that what is in force here is what was stored last. */
  function inTurn(change: () => Promise<void>): Promise<void> {
    const result = turn.then(change);
    turn = result.catch(() => {});
    return result;
  }

  function of({ ref, manifest }: LoadedPack): PackConfig {
    const set = overrides.get(ref) ?? nothingSet;
    const found = known.get(manifest);
    if (found?.set === set) return found.config;
    const layers = { "pack.yaml": manifest.config, "attune.config.ts": options.fromFile(ref), set: set.values };
    const made = layerConfig(manifest.conf_schema, layers, set.sealed);
    known.set(manifest, { set, config: made });
    for (const { key, problem } of made.entries) if (problem !== null) log.warn(`configuration of ${ref}: ${problem}`, { key });
    return made;
  }

  /** The file with the whole configuration, secrets included, which only the daemon's user can read. */
  function fileOf(ref: string, config: PackConfig): string {
    const text = JSON.stringify(config.values);
    // The name is seen by more than the content is, so nobody else can find out from it whether a guess is right.
    const name = createHmac("sha256", nameKey).update(text).digest("hex").slice(0, 16);
    const file = path.join(dir, `${ref}-${name}.json`);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    chmodSync(dir, 0o700);
    // Left by a disk that was full: it can't be opened for writing again.
    rmSync(`${file}.new`, { force: true });
    writeFileSync(`${file}.new`, text, { mode: 0o400 });
    renameSync(`${file}.new`, file);
    return file;
  }

  function variablesOf(ref: string, config: PackConfig): Readonly<Record<string, string>> {
    if (Object.keys(config.values).length === 0) return {};
    const open = config.entries.filter(({ origin, secret }) => origin !== null && !secret);
    const whole = JSON.stringify(Object.fromEntries(open.map(({ key, value }) => [key, value])));
    const variables = [
      ...open.map(({ key, value }) => [
        `ATTUNE_PACK_CONFIG_${variableName(key)}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
      ["ATTUNE_PACK_CONFIG", whole],
      ["ATTUNE_PACK_CONFIG_FILE", fileOf(ref, config)],
    ];
    // What can't stand in a variable is in the file.
    const fits = (value = "") => !value.includes("\0") && Buffer.byteLength(value) <= longestVariable;
    return Object.fromEntries(variables.filter(([, value]) => fits(value)));
  }

  // No script of an earlier daemon is left to read them.
  await rm(dir, { recursive: true, force: true });
  await read();
  return {
    of,
    environment(pack) {
      const config = of(pack);
      const made = environments.get(config) ?? variablesOf(pack.ref, config);
      environments.set(config, made);
      return made;
    },
    async set(pack, values) {
      const schema = pack.manifest.conf_schema;
      for (const [key, value] of Object.entries(values)) {
        if (!isKey(key)) {
          const shown = JSON.stringify(key.slice(0, 100));
          throw new AttuneError("PARAMETERS_INVALID", `${shown} can't be a key: 1 to ${longestKey} characters that can be seen`);
        }
        const flaw = flawOf(schema, key, value);
        if (flaw !== null) throw new AttuneError("PARAMETERS_INVALID", flaw);
      }
      const rows = Object.entries(values).map(([key, value]) => {
        const isSealed = holdsSecret(schema[key]);
        const text = jsonText(value);
        const sealed = isSealed ? seal.close(value, contextOf(pack.ref, key)).toString("hex") : null;
        return { key, value: isSealed ? value : (JSON.parse(text) as Json), text: isSealed ? null : text, sealed, isSealed };
      });
      const insert = () =>
        storage.query(
          `INSERT INTO pack_config (pack_ref, key, value, sealed)
         SELECT $1, key, value::jsonb, decode(sealed, 'hex') FROM unnest($2::text[], $3::text[], $4::text[]) AS v (key, value, sealed)
         ON CONFLICT (pack_ref, key) DO UPDATE SET value = excluded.value, sealed = excluded.sealed, updated = now()`,
          [pack.ref, rows.map(({ key }) => key), rows.map(({ text }) => text), rows.map(({ sealed }) => sealed)],
        );
      await inTurn(async () => {
        await insert();
        put(pack.ref, rows);
      });
    },
    unset: (pack, keys) =>
      inTurn(async () => {
        const { values, sealed } = overrides.get(pack.ref) ?? nothingSet;
        const missing = keys.find((key) => !Object.hasOwn(values, key));
        if (missing !== undefined) {
          throw new AttuneError("NOT_FOUND", `${missing.slice(0, 100)} of ${pack.ref} was not set`, {
            hint: `attune pack config ${pack.ref} says where each value comes from`,
          });
        }
        await storage.query("DELETE FROM pack_config WHERE pack_ref = $1 AND key = ANY($2::text[])", [pack.ref, [...keys]]);
        const left = Object.entries(values).filter(([key]) => !keys.includes(key));
        overrides.set(pack.ref, { values: Object.fromEntries(left), sealed });
      }),
  };
}

function contextOf(pack: string, key: string): string {
  return `configuration ${key} of pack ${pack}`;
}

interface Overrides {
  readonly values: JsonObject;
  /** Keys that were secret when they were set. */
  readonly sealed: ReadonlySet<string>;
}
const nothingSet: Overrides = { values: {}, sealed: new Set() };

const longestKey = 128;

function isKey(key: string): boolean {
  return /^[^\p{C}]+$/u.test(key) && key.length <= longestKey && !forbiddenKeys.has(key);
}
