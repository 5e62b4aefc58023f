import type { ExecutionStatus, Json, JsonObject, Sql } from "../core/plugin.ts";
import { maskSecrets } from "../core/schema/secrets.ts";
import type { EnforcementRecord, EventRecord, ExecutionRecord, History, PackHistoryRecord } from "./history.ts";
import type { Page, Slice } from "./paging.ts";

/** Counting stops here: a total of millions is worth less to a reader than the time it takes. */
const countLimit = 10_000;

/** The history as PostgreSQL holds it. */
export function databaseHistory(sql: Sql): History {
  const executions = reader(sql, executionSource, toExecution);
  const events = reader(sql, eventSource, toEvent);
  const enforcements = reader(sql, enforcementSource, toEnforcement);
  const packs = reader(sql, packHistorySource, toPackHistory);
  return {
    executions: executions.list,
    execution: executions.byId,
    events: events.list,
    event: events.byId,
    enforcements: enforcements.list,
    enforcement: enforcements.byId,
    packHistory: (ref, page) => packs.list({ pack_ref: ref }, page),
    async output(executionId, stream) {
      const { rows } = await sql.query<{ content: Uint8Array; total_bytes: string }>(
        "SELECT content, total_bytes FROM execution_output WHERE execution_id = $1 AND stream = $2",
        [executionId, stream],
      );
      const row = rows[0];
      return row ? { content: row.content, totalBytes: Number(row.total_bytes) } : null;
    },
  };
}

interface Source<Column extends string> {
  /** `t` is the alias of the table that is filtered and ordered. */
  readonly select: string;
  readonly table: string;
  /** The only columns a filter can name. */
  readonly filters: readonly Column[];
}

const executionSource = {
  select: `SELECT t.id, t.action_ref, t.rule_ref, t.event_id, t.enforcement_id, t.status, t.parameters, t.result, t.exit_code, t.error,
      t.attempt, t.snapshot, t.created, t.started, t.finished, a.param_schema
    FROM execution t JOIN action a ON a.ref = t.action_ref`,
  table: "execution",
  filters: ["action_ref", "rule_ref", "event_id", "status"],
} as const satisfies Source<string>;
const eventSource = {
  select: "SELECT t.id, t.trigger_ref, t.sensor_ref, t.rule_ref, t.payload, t.created FROM event t",
  table: "event",
  filters: ["trigger_ref", "sensor_ref"],
} as const satisfies Source<string>;
const enforcementSource = {
  select: "SELECT t.id, t.event_id, t.rule_ref, t.status, t.reason, t.created FROM enforcement t",
  table: "enforcement",
  filters: ["event_id", "rule_ref", "status"],
} as const satisfies Source<string>;
const packHistorySource = {
  select: `SELECT t.id, t.created, t.version, t.snapshot, t.added, t.changed, t.removed, t.errors, t.watch_ms, t.parse_ms, t.database_ms,
      t.publish_ms FROM pack_history t`,
  table: "pack_history",
  filters: ["pack_ref"],
} as const satisfies Source<string>;

function reader<Column extends string, Row, Item>(sql: Sql, source: Source<Column>, convert: (row: Row) => Item) {
  return {
    async list(filter: { readonly [column in Column]?: string | undefined }, { page, size }: Page): Promise<Slice<Item>> {
      const used = source.filters.filter((column) => filter[column] !== undefined);
      const values = used.map((column) => filter[column]);
      const where = used.length === 0 ? "" : `WHERE ${used.map((column, i) => `t.${column} = $${i + 1}`).join(" AND ")}`;
      const [found, counted] = await Promise.all([
        // One row more than the page tells whether there is a next one, also beyond what is counted.
        sql.query<Row>(
          `${source.select} ${where} ORDER BY t.created DESC, t.id DESC LIMIT $${used.length + 1} OFFSET $${used.length + 2}`,
          [...values, size + 1, (page - 1) * size],
        ),
        sql.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM (SELECT 1 FROM ${source.table} t ${where} LIMIT ${countLimit + 1}) counted`,
          values,
        ),
      ]);
      const count = counted.rows[0]?.count ?? 0;
      return {
        items: found.rows.slice(0, size).map(convert),
        total: count > countLimit ? null : count,
        hasNext: found.rows.length > size,
      };
    },
    async byId(id: string): Promise<Item | null> {
      const { rows } = await sql.query<Row>(`${source.select} WHERE t.id = $1`, [id]);
      return rows[0] === undefined ? null : convert(rows[0]);
    },
  };
}

type Timestamp = Date | string;
interface ExecutionRow extends Omit<ExecutionRecord, "status" | "created" | "started" | "finished"> {
  readonly status: ExecutionStatus;
  readonly result: Json;
  readonly param_schema: JsonObject;
  readonly created: Timestamp;
  readonly started: Timestamp | null;
  readonly finished: Timestamp | null;
}
function toExecution({ param_schema, ...row }: ExecutionRow): ExecutionRecord {
  return {
    ...row,
    parameters: maskSecrets(param_schema, row.parameters),
    created: rfc3339(row.created),
    started: row.started && rfc3339(row.started),
    finished: row.finished && rfc3339(row.finished),
  };
}
function toEvent(row: Omit<EventRecord, "created"> & { created: Timestamp }): EventRecord {
  return { ...row, created: rfc3339(row.created) };
}
function toEnforcement(row: Omit<EnforcementRecord, "created"> & { created: Timestamp }): EnforcementRecord {
  return { ...row, created: rfc3339(row.created) };
}

interface PackHistoryRow extends Omit<PackHistoryRecord, "created" | "errors" | "timing" | "ms"> {
  readonly created: Timestamp;
  readonly errors: PackHistoryRecord["errors"];
  readonly watch_ms: number;
  readonly parse_ms: number;
  readonly database_ms: number;
  readonly publish_ms: number;
}
function toPackHistory({ created, watch_ms, parse_ms, database_ms, publish_ms, ...row }: PackHistoryRow): PackHistoryRecord {
  const parts = { watch_ms, parse_ms, database_ms, publish_ms };
  const timing = {
    watch_ms: tenths(watch_ms),
    parse_ms: tenths(parse_ms),
    database_ms: tenths(database_ms),
    publish_ms: tenths(publish_ms),
  };
  return { ...row, created: rfc3339(created), timing, ms: tenths(Object.values(parts).reduce((sum, part) => sum + part, 0)) };
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function rfc3339(time: Timestamp): string {
  return new Date(time).toISOString();
}
