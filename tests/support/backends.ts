import { startNats, type TestNats } from "./nats.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";

/** What a daemon stands on: nothing but itself, or servers an operator runs. */
export type BackendName = "embedded PostgreSQL, in-process events" | "external PostgreSQL, NATS";
export const backendNames: readonly BackendName[] = ["embedded PostgreSQL, in-process events", "external PostgreSQL, NATS"];

export interface Servers extends AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly nats: TestNats;
}

export async function startServers(): Promise<Servers> {
  const postgres = await startPostgres();
  try {
    const nats = await startNats();
    return {
      postgres,
      nats,
      async [Symbol.asyncDispose]() {
        await nats[Symbol.asyncDispose]();
        await postgres.stop();
      },
    };
  } catch (thrown) {
    await postgres.stop();
    throw thrown;
  }
}

/** Environment of a daemon on a new database of these servers; `null` stands for the embedded default. */
export async function backendEnv(servers: Servers | null): Promise<Record<string, string>> {
  return servers ? { DATABASE_URL: await servers.postgres.createDatabase(), NATS_URL: servers.nats.url } : {};
}
