import { jsonText } from "../../json.ts";
import type { Json, JsonObject, Sql } from "../../plugin.ts";
import type { LoadedPack, RuleDefinition, Runtime } from "../../registry.ts";
import { settleAll } from "../../settle.ts";
import type { ComponentChange } from "./diff.ts";

/**
 * Writes what changed of a pack: `changes` null means all of it, as when it is first seen by this daemon. Rows are found by
 * ref; those of the same hash stay untouched, those whose component has vanished are retired. Statements go out together;
 * the caller's transaction makes them one change.
 */
export async function storePack(tx: Sql, pack: LoadedPack, changes: readonly ComponentChange[] | null): Promise<void> {
  const write = <C extends { readonly ref: string }>(
    table: Table,
    columns: Columns,
    components: ReadonlyMap<string, C>,
    fields: (component: C) => { readonly ref: string },
  ): Promise<unknown>[] => {
    const own = changes?.filter((change) => change.kind === table);
    const rows = (own ? own.flatMap(({ ref }) => components.get(ref) ?? []) : [...components.values()]).map(fields);
    const vanished = own?.filter((change) => change.change === "removed").map((change) => change.ref);
    return [
      ...(rows.length > 0 ? [tx.query(upsert(table, columns), [jsonText(rows), pack.ref])] : []),
      ...(vanished === undefined
        ? [tx.query(`${retire(table)} AND ref <> ALL($2::text[])`, [pack.ref, [...components.keys()]])]
        : vanished.length > 0
          ? [tx.query(`${retire(table)} AND ref = ANY($2::text[])`, [pack.ref, vanished])]
          : []),
    ];
  };
  await settleAll([
    tx.query(upsert("pack", packColumns), [jsonText([pack.manifest])]),
    ...write("trigger", triggerColumns, pack.triggers, (one) => ({
      ...one,
      param_schema: one.parameters,
      out_schema: one.output,
    })),
    ...write("action", actionColumns, pack.actions, (one) => ({
      ...one,
      param_schema: one.parameters,
      out_schema: one.output,
      definition: definitionOf(one),
    })),
    ...write("sensor", sensorColumns, pack.sensors, (one) => ({
      ...one,
      trigger_refs: one.triggers,
      definition: definitionOf(one),
    })),
    ...write("rule", ruleColumns, pack.rules, ruleFields),
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

type Table = "trigger" | "action" | "sensor" | "rule";

function retire(table: Table): string {
  return `UPDATE ${table} SET retired_at = now() WHERE retired_at IS NULL AND pack_id = (SELECT id FROM pack WHERE ref = $1)`;
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
  // One made through the API is the operator's, whatever a pack's file calls itself.
  const own = table === "rule" ? " AND (rule.pack_id IS NOT NULL OR rule.retired_at IS NOT NULL)" : "";
  return `INSERT INTO ${table} AS ${table} (ref, hash, ${names.join(", ")}${linked})
    SELECT ref, hash, ${names.join(", ")}${pack}${runtime}
    FROM jsonb_to_recordset($1::jsonb) AS given (ref text, hash text, ${types.join(", ")}${withRuntime ? ", runtime text" : ""})
    ON CONFLICT (ref) DO UPDATE SET hash = excluded.hash, ${updates.join(", ")}, updated = now(), retired_at = NULL${armed}
    WHERE (${table}.hash IS DISTINCT FROM excluded.hash OR ${table}.retired_at IS NOT NULL)${own}`;
}

function ruleFields(rule: RuleDefinition) {
  return { ...rule, trigger_ref: rule.trigger, action_ref: rule.action };
}

/** The component without what depends on where the pack lies. */
function definitionOf(component: object): JsonObject {
  const { entrypoint: _entrypoint, dir: _dir, ...rest } = component as Record<string, Json>;
  return rest as JsonObject;
}
