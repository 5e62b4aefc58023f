import type { ClientConfig } from "pg";
import { AttuneError } from "../../../core/errors.ts";
import type { OpenContext, Storage, StoragePlugin } from "../../../core/plugin.ts";
import { type ConnectionSettings, connect } from "./connection.ts";
import { openEmbedded } from "./embedded.ts";
import { createPool } from "./pool.ts";
import { createStorage } from "./storage.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`; without it a PostgreSQL of the daemon's own is started. */
  url?: string;
  /** Keep statements planned for the life of a session. Default true; false behind a pooler such as PgBouncer. */
  prepare?: boolean;
  /** Connections at most. Default 10. */
  max?: number;
}

const oldestVersion = 13;
/** The embedded server takes 40 and keeps 3 of them for a superuser. */
const defaultMax = 10;
const trimEvery = 60_000;
const closeGrace = 5_000;

/**
 * Storage in PostgreSQL 13 or newer, at `url` or embedded. Sessions have `search_path` attune. `bigint` columns are numbers
 * (text beyond 2^53), `timestamptz` is a Date, `jsonb` is parsed, `numeric` is text; an array parameter is a PostgreSQL
 * array, an object parameter its JSON text. A text of several statements gives the rows of all of them.
 */
export function postgres(options: PostgresOptions = {}): StoragePlugin {
  const { url, prepare = true, max = defaultMax } = options;
  return {
    kind: "storage",
    name: "postgres",
    api: 1,
    async open(context) {
      if (url === undefined) {
        const server = await openEmbedded(context);
        return openPool(
          context,
          { client: server.client, where: "embedded PostgreSQL", prepare },
          max,
          ({ version }) => `embedded PostgreSQL ${version}`,
        );
      }
      const client: ClientConfig = { connectionString: url };
      const where = `PostgreSQL at ${publicName(url)}`;
      return openPool(context, { client, where, prepare }, max, ({ version, database }) => {
        return `PostgreSQL ${version} at ${publicName(url, database)}`;
      });
    },
  };
}

interface ServerFacts {
  readonly version: string;
  readonly database: string;
}

async function openPool(
  { scope }: OpenContext,
  settings: ConnectionSettings,
  max: number,
  describe: (facts: ServerFacts) => string,
): Promise<Storage> {
  const pool = createPool((onClose) => connect(settings, onClose), max, settings.where);
  scope.defer(() => pool.close(closeGrace));
  const connection = await pool.acquire();
  try {
    const { rows } = await connection.query<ServerFacts>(
      "SELECT current_setting('server_version') AS version, current_database() AS database",
    );
    const { version, database } = rows[0]!;
    const short = version.split(" ")[0] ?? version;
    if (Number.parseInt(short, 10) < oldestVersion) {
      throw new AttuneError("DATABASE_UNSUPPORTED", `${settings.where} is version ${short}`, {
        hint: `use PostgreSQL ${oldestVersion} or newer`,
      });
    }
    scope.every(trimEvery, pool.trim);
    return createStorage(pool, describe({ version: short, database }));
  } finally {
    pool.release(connection);
  }
}

/** `host:port/database` of a connection URL, whatever else it holds; never user, password or parameters. */
function publicName(url: string, database?: string): string {
  const match = /^[a-z]+:\/\/(?:[^/?#]*@)?([^/?#]*)\/?([^?#]*)/i.exec(url);
  const host = new URLSearchParams(url.split("?")[1]).get("host") ?? "";
  const address = match?.[1] || host || "localhost";
  const name = database ?? match?.[2] ?? "";
  return name === "" ? withPort(address) : `${withPort(address)}/${name}`;
}

function withPort(address: string): string {
  return address.startsWith("/") || /:\d+$/.test(address) ? address : `${address}:5432`;
}
