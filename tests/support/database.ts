import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type QueryResultRow } from "pg";
import { makeHome, serverPort, socketDirs } from "../../src/plugins/storage/postgres/account.ts";
import { role } from "../../src/plugins/storage/postgres/cluster.ts";
import type { Project } from "./project.ts";

export interface TestDatabase extends AsyncDisposable {
  /** Tables without a schema are attune's. */
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

/** A connection of the test's own to the database a project's daemon uses, which must be running. */
export async function openDatabase(project: Project): Promise<TestDatabase> {
  const url = project.env["DATABASE_URL"];
  const client = new Client(url === undefined ? embedded(project) : { connectionString: url });
  client.on("error", () => {
    // The server was stopped; the next query says so.
  });
  await client.connect();
  await client.query("SET search_path = attune");
  return {
    query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      (await client.query<Row>(text, [...values])).rows,
    async [Symbol.asyncDispose]() {
      await client.end();
    },
  };
}

function embedded({ dataDir, env }: Project) {
  const { id, account } = makeHome(dataDir);
  const candidates = socketDirs(id, account !== null, env["XDG_RUNTIME_DIR"], env["TMPDIR"] ?? tmpdir());
  const host = candidates.find((dir) => existsSync(join(dir, `.s.PGSQL.${serverPort}`)));
  if (host === undefined) throw new Error(`no server listens in ${candidates.join(" or ")}`);
  const password = readFileSync(join(dataDir, "postgres.password"), "utf8").trim();
  return { host, port: serverPort, user: role, database: "postgres", password };
}
