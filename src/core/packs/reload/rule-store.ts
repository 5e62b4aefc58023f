import { jsonText } from "../../json.ts";
import type { Json, JsonObject, Sql } from "../../plugin.ts";
import type { LoadedPack, RuleDefinition } from "../../registry.ts";
import type { RuleRow } from "../../registry-build.ts";

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

export interface StoredRule extends RuleRow {
  readonly definition: RuleDefinition | null;
}

/**
 * The rules that are not retired, all of them or those of `refs`. `definition` is set for those made through the API, whose
 * only home is the database.
 */
export async function readRules(sql: Sql, refs: readonly string[] | null = null): Promise<StoredRule[]> {
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
     FROM rule WHERE retired_at IS NULL ${refs ? "AND ref = ANY($1::text[])" : ""} ORDER BY id`,
    refs ? [refs] : [],
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

/** Each row with its definition: a pack's rule has it in its file, an API rule in the row itself. */
export function* rulesOf(packs: ReadonlyMap<string, LoadedPack>, rows: ReadonlyMap<string, StoredRule>) {
  for (const row of rows.values()) {
    const definition = row.definition ?? packs.get(row.ref.slice(0, row.ref.indexOf(".")))?.rules.get(row.ref);
    if (definition) yield { definition, row };
  }
}
