import { storableText } from "../json.ts";
import type { Sql } from "../plugin.ts";

const excerptLimit = 4_096;

/** Keeps what was refused, with the reason, so that nothing handed over disappears without a trace. */
export async function reject(sql: Sql, source: string, text: string, reason: string): Promise<void> {
  await sql.query("INSERT INTO rejected_event (source, excerpt, reason) VALUES ($1, $2, $3)", [
    source,
    storableText(text.slice(0, excerptLimit)),
    storableText(reason.slice(0, 1_000)),
  ]);
}
