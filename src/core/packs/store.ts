import { jsonText } from "../json.ts";
import type { Json, JsonObject, Sql } from "../plugin.ts";
import type { LoadedPack, RuleDefinition, Runtime } from "../registry.ts";
import type { RuleRow } from "../registry-build.ts";
import { settleAll } from "../settle.ts";

/**
 * Writes a pack as it is now: rows are found by ref, unchanged ones (same hash) stay untouched, those whose component has
 * vanished are retired. Statements go out together; the caller's transaction makes them one change.
 */
export async function storePack(tx: Sql, pack: LoadedPack): Promise<void> {
  const { manifest } = pack;
  await settleAll([
    tx.query(upsert("pack", packColumns), [
      jsonText([{ ...manifest, meta: manifest.meta, tags: [...manifest.tags], runtime_deps: [...manifest.runtime_deps] }]),
    ]),
    ...storeComponents(
      tx,
      "trigger",
      triggerColumns,
      pack.ref,
      [...pack.triggers.values()].map((trigger) => ({
        ...trigger,
        param_schema: trigger.parameters,
        out_schema: trigger.output,
      })),
    ),
    ...storeComponents(
      tx,
      "action",
      actionColumns,
      pack.ref,
      [...pack.actions.values()].map((action) => ({
        ...action,
        param_schema: action.parameters,
        out_schema: action.output,
        definition: definitionOf(action),
      })),
    ),
    ...storeComponents(
      tx,
      "sensor",
      sensorColumns,
      pack.ref,
      [...pack.sensors.values()].map((sensor) => ({
        ...sensor,
        trigger_refs: sensor.triggers,
        definition: definitionOf(sensor),
      })),
    ),
    ...storeComponents(tx, "rule", ruleColumns, pack.ref, [...pack.rules.values()].map(ruleFields)),
  ]);
}

/** Retires a pack that is no longer on disk, with all it held. History stays. */
export async function retirePack(tx: Sql, ref: string): Promise<void> {
  const components = ["trigger", "action", "sensor", "rule"].map((table) =>
    tx.query(
      `UPDATE ${table} SET retired_at = now() WHERE retired_at IS NULL AND pack_id = (SELECT id FROM pack WHERE ref = $1)`,
      [ref],
    ),
  );
  await settleAll([...components, tx.query("UPDATE pack SET retired_at = now() WHERE ref = $1 AND retired_at IS NULL", [ref])]);
}

export async function storeRuntimes(tx: Sql, runtimes: readonly Runtime[]): Promise<void> {
  const rows = runtimes.map(({ ref, name, description, aliases, source }) => ({
    ref,
    pack_ref: ref.slice(0, ref.indexOf(".")),
    name,
    description,
    aliases: [...aliases],
    hash: `${source} ${name} ${aliases.join(" ")}`,
  }));
  await settleAll([
    tx.query(upsert("runtime", runtimeColumns), [jsonText(rows)]),
    tx.query("UPDATE runtime SET retired_at = now() WHERE retired_at IS NULL AND ref <> ALL($1::text[])", [
      rows.map((row) => row.ref),
    ]),
  ]);
}

/** Stores a rule made through the API; an existing one of that ref is left alone and false returned. */
export async function insertApiRule(sql: Sql, rule: RuleDefinition): Promise<boolean> {
  const { rowCount } = await sql.query(
    `INSERT INTO rule (ref, label, description, trigger_ref, action_ref, enabled, conditions, "when", trigger_params, action_params, hash)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     ON CONFLICT (ref) DO UPDATE SET pack_id = NULL, override = NULL, label = excluded.label, description = excluded.description,
       trigger_ref = excluded.trigger_ref, action_ref = excluded.action_ref, enabled = excluded.enabled, conditions = excluded.conditions,
       "when" = excluded."when", trigger_params = excluded.trigger_params, action_params = excluded.action_params, hash = excluded.hash,
       armed_at = now(), updated = now(), retired_at = NULL
     WHERE rule.retired_at IS NOT NULL`,
    [
      rule.ref,
      rule.label,
      rule.description,
      rule.trigger,
      rule.action,
      rule.enabled,
      rule.conditions === null ? null : jsonText(rule.conditions),
      rule.when,
      jsonText(rule.trigger_params),
      jsonText(rule.action_params),
      rule.hash,
    ],
  );
  return rowCount === 1;
}

/** On a pack's rule this is an override that survives reloads; on an API rule it is the rule's own state. */
export async function setRuleEnabled(sql: Sql, ref: string, enabled: boolean): Promise<void> {
  await sql.query(
    `UPDATE rule SET override = CASE WHEN pack_id IS NULL THEN NULL WHEN enabled = $2 THEN NULL ELSE $2 END,
       enabled = CASE WHEN pack_id IS NULL THEN $2 ELSE enabled END, updated = now()
     WHERE ref = $1`,
    [ref, enabled],
  );
}

export async function retireRule(sql: Sql, ref: string): Promise<void> {
  await sql.query("UPDATE rule SET retired_at = now(), updated = now() WHERE ref = $1", [ref]);
}

interface StoredRule extends RuleRow {
  readonly definition: RuleDefinition | null;
}

/** All rules that are not retired. `definition` is set for those made through the API, whose only home is the database. */
export async function readRules(sql: Sql): Promise<StoredRule[]> {
  const { rows } = await sql.query<{
    id: number;
    ref: string;
    source: "pack" | "api";
    enabled: boolean;
    override: boolean | null;
    armed_at: Date;
    created: Date;
    updated: Date;
    label: string;
    description: string | null;
    trigger_ref: string;
    action_ref: string;
    when: string | null;
    conditions: Json;
    trigger_params: JsonObject;
    action_params: JsonObject;
    hash: string;
  }>(
    `SELECT id, ref, CASE WHEN pack_id IS NULL THEN 'api' ELSE 'pack' END AS source, enabled, override, armed_at, created, updated,
       label, description, trigger_ref, action_ref, "when", conditions, trigger_params, action_params, hash
     FROM rule WHERE retired_at IS NULL ORDER BY id`,
  );
  return rows.map((row) => ({
    id: row.id,
    ref: row.ref,
    source: row.source,
    enabled: row.enabled,
    override: row.override,
    armedAt: row.armed_at.toISOString(),
    created: row.created.toISOString(),
    updated: row.updated.toISOString(),
    definition:
      row.source === "pack"
        ? null
        : {
            kind: "rule",
            ref: row.ref,
            pack: row.ref.slice(0, row.ref.indexOf(".")),
            label: row.label,
            description: row.description,
            enabled: row.enabled,
            tags: [],
            file: "",
            hash: row.hash,
            trigger: row.trigger_ref,
            action: row.action_ref,
            when: row.when,
            conditions: row.conditions,
            trigger_params: row.trigger_params,
            action_params: row.action_params,
          },
  }));
}

type Columns = Readonly<Record<string, "text" | "boolean" | "jsonb" | "text[]">>;

const packColumns: Columns = {
  label: "text",
  description: "text",
  version: "text",
  author: "text",
  email: "text",
  system: "boolean",
  enabled: "boolean",
  conf_schema: "jsonb",
  config: "jsonb",
  meta: "jsonb",
  tags: "text[]",
  runtime_deps: "text[]",
  dependencies: "jsonb",
};
const runtimeColumns: Columns = { pack_ref: "text", name: "text", description: "text", aliases: "text[]" };
const componentColumns: Columns = { label: "text", description: "text", enabled: "boolean" };
const triggerColumns: Columns = { ...componentColumns, type: "text", param_schema: "jsonb", out_schema: "jsonb", tags: "text[]" };
const actionColumns: Columns = {
  ...componentColumns,
  entry_point: "text",
  param_schema: "jsonb",
  out_schema: "jsonb",
  definition: "jsonb",
  tags: "text[]",
};
const sensorColumns: Columns = {
  ...componentColumns,
  entry_point: "text",
  trigger_refs: "text[]",
  definition: "jsonb",
  tags: "text[]",
};
const ruleColumns: Columns = {
  ...componentColumns,
  trigger_ref: "text",
  action_ref: "text",
  conditions: "jsonb",
  when: "text",
  trigger_params: "jsonb",
  action_params: "jsonb",
};

function storeComponents(
  tx: Sql,
  table: "trigger" | "action" | "sensor" | "rule",
  columns: Columns,
  pack: string,
  rows: readonly { readonly ref: string }[],
) {
  return [
    tx.query(upsert(table, columns), [jsonText([...rows]), pack]),
    tx.query(
      `UPDATE ${table} SET retired_at = now() WHERE retired_at IS NULL AND pack_id = (SELECT id FROM pack WHERE ref = $2) AND ref <> ALL($1::text[])`,
      [rows.map((row) => row.ref), pack],
    ),
  ];
}

/** Columns of a component that say what it runs and for which pack; the row keeps ids, the files keep names. */
const references: Readonly<Record<string, string>> = {
  action: ", pack_id, runtime_id",
  sensor: ", pack_id, runtime_id",
  trigger: ", pack_id",
  rule: ", pack_id",
};

function upsert(table: string, columns: Columns): string {
  const names = Object.keys(columns).map((name) => `"${name}"`);
  const types = Object.entries(columns).map(([name, type]) => `"${name}" ${type}`);
  const linked = references[table] ?? "";
  const withRuntime = linked.includes("runtime_id");
  const pack = linked ? ", (SELECT id FROM pack WHERE ref = $2)" : "";
  const runtime = withRuntime ? ", (SELECT r.id FROM runtime r WHERE r.ref = given.runtime)" : "";
  const updates = [...names, ...linked.split(", ").filter(Boolean)].map((name) => `${name} = excluded.${name}`);
  // A rule that gets another trigger or other trigger_params starts its timers anew.
  const armed =
    table === "rule"
      ? `, override = CASE WHEN rule.retired_at IS NULL THEN rule.override END, armed_at = CASE WHEN rule.retired_at IS NULL
           AND rule.trigger_ref = excluded.trigger_ref AND rule.trigger_params = excluded.trigger_params THEN rule.armed_at ELSE now() END`
      : "";
  return `INSERT INTO ${table} AS ${table} (ref, hash, ${names.join(", ")}${linked})
    SELECT ref, hash, ${names.join(", ")}${pack}${runtime}
    FROM jsonb_to_recordset($1::jsonb) AS given (ref text, hash text, ${types.join(", ")}${withRuntime ? ", runtime text" : ""})
    ON CONFLICT (ref) DO UPDATE SET hash = excluded.hash, ${updates.join(", ")}, updated = now(), retired_at = NULL${armed}
    WHERE ${table}.hash IS DISTINCT FROM excluded.hash OR ${table}.retired_at IS NOT NULL`;
}

function ruleFields(rule: RuleDefinition) {
  return { ...rule, trigger_ref: rule.trigger, action_ref: rule.action };
}

/** The component without what depends on where the pack lies. */
function definitionOf(component: object): JsonObject {
  const { entrypoint: _entrypoint, dir: _dir, ...rest } = component as Record<string, Json>;
  return rest as JsonObject;
}
