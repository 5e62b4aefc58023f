import { AttuneError } from "./errors.ts";
import type { Logger, Storage } from "./plugin.ts";

export interface Migration {
  /** `0001_initial.sql`: the number is the version. */
  readonly name: string;
  readonly sql: string;
}

/** Any fixed number: it keeps two daemons from migrating one database at the same time. */
const lockKey = 7_246_880_131;

/**
 * Brings the schema `attune` to the newest version, all in one transaction under a lock. Throws DATABASE_NEWER, without a
 * change, when the database was migrated by a newer attune.
 */
export async function migrate(storage: Storage, migrations: readonly Migration[], log: Logger): Promise<void> {
  const newest = migrations.length;
  await storage.transaction(async (tx) => {
    await tx.query("SELECT pg_advisory_xact_lock($1)", [lockKey]);
    await tx.query("CREATE SCHEMA IF NOT EXISTS attune");
    await tx.query(
      "CREATE TABLE IF NOT EXISTS attune.schema_version (version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
    );
    const { rows } = await tx.query<{ version: number | null }>("SELECT max(version) AS version FROM attune.schema_version");
    const current = rows[0]?.version ?? 0;
    if (current > newest) {
      throw new AttuneError(
        "DATABASE_NEWER",
        `the database has schema version ${current}; this attune knows versions up to ${newest}`,
        {
          hint: "run the newer attune, or restore a backup made before the upgrade",
        },
      );
    }
    for (const [index, migration] of migrations.entries()) {
      if (index < current) continue;
      await tx.query(`SET LOCAL search_path TO attune; ${migration.sql}`);
      await tx.query("INSERT INTO attune.schema_version (version, name) VALUES ($1, $2)", [index + 1, migration.name]);
      log.debug("migrated", { version: index + 1, name: migration.name });
    }
  });
}
