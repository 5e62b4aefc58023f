import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../../src/core/log.ts";
import type { ChildScope, Storage } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import { makeHome } from "../../src/plugins/storage/postgres/account.ts";
import { spawnOptions } from "../../src/plugins/storage/postgres/cluster.ts";
import { connect } from "../../src/plugins/storage/postgres/connection.ts";
import { type PostgresOptions, postgres } from "../../src/plugins/storage/postgres/index.ts";
import { findServer } from "../../src/plugins/storage/postgres/leftover.ts";
import { rejection } from "../../src/sdk/testing/case.ts";
import { storageContract } from "../../src/sdk/testing/storage.ts";
import { testCases } from "../support/contract.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const undo: Array<() => unknown> = [];

function makeDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "attune-test-storage-"));
  undo.push(() => {
    const { dir: home, id } = makeHome(dir);
    for (const path of [home, `/run/attune/${id}`, dir]) rmSync(path, { recursive: true, force: true });
  });
  return dir;
}

async function open(dataDir: string, options: PostgresOptions = {}): Promise<{ storage: Storage; scope: ChildScope }> {
  const scope = createScope("test", silentLogger);
  try {
    return { scope, storage: await postgres(options).open({ scope, log: silentLogger, dataDir, projectDir: dataDir }) };
  } catch (thrown) {
    await scope.end();
    throw thrown;
  }
}

async function cleanUp(): Promise<void> {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
}

describe("the contract: embedded", () => {
  let dataDir = "";
  beforeAll(() => {
    dataDir = makeDataDir();
  });
  afterAll(cleanUp);
  // One directory for all cases: making a cluster for each would take a second.
  const cases = storageContract((context) => postgres().open({ ...context, dataDir }), {
    crash: async () => void process.kill(findServer(makeHome(dataDir).data) ?? 0, "SIGKILL"),
  });
  testCases(cases);
});

for (const prepare of [true, false]) {
  describe(`the contract: external, ${prepare ? "statements prepared" : "nothing prepared"}`, () => {
    let server: TestPostgres;
    let url = "";
    beforeAll(async () => {
      server = await startPostgres();
      url = await server.createDatabase();
    });
    afterAll(() => server?.stop());
    const cases = storageContract((context) => postgres({ url, prepare }).open(context), {
      async crash(storage) {
        await server.kill9();
        // A session of its own process may still answer once.
        const error = await until("a statement is refused", () => rejection(storage.query("SELECT 1")));
        expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
        await server.restart();
      },
    });
    testCases(cases);
  });
}

describe("embedded PostgreSQL", () => {
  afterEach(cleanUp);

  test("says what it is, keeps its password to itself, and leaves nothing running", async () => {
    const dataDir = makeDataDir();
    const { storage, scope } = await open(dataDir);
    expect(storage.description).toMatch(/^embedded PostgreSQL 18\.\d+$/);
    expect(statSync(join(dataDir, "postgres.password")).mode & 0o777).toBe(0o600);
    const { rows } = await storage.query(
      "SELECT current_setting('listen_addresses') AS tcp, current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding, lower('ÄÖ') AS lower",
    );
    expect(rows).toEqual([{ tcp: "", fsync: "on", encoding: "UTF8", lower: "äö" }]);
    const { data } = makeHome(dataDir);
    expect(findServer(data)).not.toBeNull();
    await scope.end();
    expect(findServer(data)).toBeNull();
    expect(existsSync(join(data, "postmaster.pid"))).toBe(false);
  });

  test("takes over from a daemon that was killed, with what it had committed", async () => {
    const dataDir = makeDataDir();
    const script = join(import.meta.dir, "../fixtures/storage/hold.ts");
    const holder = Bun.spawn([process.execPath, script, dataDir], { stdout: "pipe", stderr: "inherit" });
    undo.push(() => holder.kill("SIGKILL"));
    const reader = holder.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("committed\n");

    expect(await rejection(open(dataDir))).toMatchObject({
      code: "DATA_DIR_LOCKED",
      message: expect.stringContaining(String(holder.pid)),
    });
    const { data } = makeHome(dataDir);
    const leftover = findServer(data);
    expect(leftover).not.toBeNull();
    holder.kill("SIGKILL");
    await holder.exited;

    const { storage, scope } = await open(dataDir);
    undo.push(() => scope.end());
    expect((await storage.query("SELECT id FROM kept")).rows).toEqual([{ id: 7 }]);
    expect(findServer(data)).not.toBe(leftover);
  });

  test("is opened once, also within one process", async () => {
    const dataDir = makeDataDir();
    const { storage, scope } = await open(dataDir);
    undo.push(() => scope.end());
    expect(await rejection(open(dataDir))).toMatchObject({ code: "DATA_DIR_LOCKED" });
    expect((await storage.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
  });

  test("starts although its pid file names another living process, or an interrupted start left pieces", async () => {
    const dataDir = makeDataDir();
    const first = await open(dataDir);
    await first.scope.end();
    const { dir, data, account } = makeHome(dataDir);
    const other = spawn("sleep", ["60"], { ...spawnOptions(account, "/"), stdio: "ignore" });
    undo.push(() => other.kill("SIGKILL"));
    writeFileSync(join(data, "postmaster.pid"), `${other.pid}\n${data}\n`);
    mkdirSync(join(dir, ".unpacking-abc/bin"), { recursive: true });
    mkdirSync(join(dir, "programs-17.0.0-old"));
    const { scope } = await open(dataDir);
    undo.push(() => scope.end());
    expect(readdirSync(dir).filter((name) => name.startsWith(".") || name.includes("old"))).toEqual([]);
  });

  test("keeps aside the database of a data directory that was deleted", async () => {
    const dataDir = makeDataDir();
    const first = await open(dataDir);
    await first.storage.query("CREATE TABLE public.old (id int)");
    await first.scope.end();
    rmSync(join(dataDir, "postgres.password"));
    const { storage, scope } = await open(dataDir);
    undo.push(() => scope.end());
    expect((await storage.query("SELECT to_regclass('public.old') AS old")).rows).toEqual([{ old: null }]);
    expect(readdirSync(makeHome(dataDir).dir).filter((name) => /^data-\d{14}$/.test(name))).toHaveLength(1);
  });

  test("names a directory that can't be used, and files of another major version", async () => {
    expect(await rejection(open("/nonexistent/attune"))).toMatchObject({ code: "DATA_DIR_UNUSABLE" });
    const dataDir = makeDataDir();
    const { scope } = await open(dataDir);
    await scope.end();
    writeFileSync(join(makeHome(dataDir).data, "PG_VERSION"), "12\n");
    expect(await rejection(open(dataDir))).toMatchObject({ code: "DATABASE_UNSUPPORTED" });
  });

  test("follows a data directory that is a link", async () => {
    const dataDir = makeDataDir();
    const link = join(makeDataDir(), "link");
    symlinkSync(dataDir, link);
    expect(makeHome(link).id).toBe(makeHome(dataDir).id);
  });
});

describe("external PostgreSQL", () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server?.stop());

  test("is named without its password", async () => {
    const { storage, scope } = await open("/", { url: server.url });
    const { port } = new URL(server.url);
    expect(storage.description).toMatch(new RegExp(`^PostgreSQL 18\\.\\d+ at 127\\.0\\.0\\.1:${port}/postgres$`));
    await scope.end();
  });

  test("keeps options given in its URL beside the search path", async () => {
    const { storage, scope } = await open("/", { url: `${server.url}?options=-c%20statement_timeout%3D1234` });
    const { rows } = await storage.query(
      "SELECT current_setting('search_path') AS path, current_setting('statement_timeout') AS timeout",
    );
    expect(rows).toEqual([{ path: "attune", timeout: "1234ms" }]);
    await scope.end();
  });

  test("refuses wrong credentials for good, and an absent server for now", async () => {
    const url = new URL(server.url);
    url.password = "wrong-secret";
    const refused = await rejection(open("/", { url: url.href }));
    expect(refused).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: false });
    expect(refused.message).not.toContain("wrong-secret");
    const absent = await rejection(open("/", { url: "postgres://a:b@127.0.0.1:1/x" }));
    expect(absent).toMatchObject({
      code: "DATABASE_UNAVAILABLE",
      retryable: true,
      message: expect.stringContaining("127.0.0.1:1/x"),
    });
  });

  test("a statement beyond its time limit ends its connection, and what waits behind it is rejected", async () => {
    let closed = false;
    const settings = { client: { connectionString: server.url }, where: "PostgreSQL", prepare: true, queryTimeout: 100 };
    const connection = await connect(settings, () => {
      closed = true;
    });
    const errors = await Promise.all([
      rejection(connection.query("SELECT pg_sleep($1)", [60])),
      rejection(connection.query("SELECT 1")),
    ]);
    for (const error of errors) expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
    await until("the connection is closed", () => closed);
    expect(connection.alive).toBe(false);
  });

  test("a planned statement survives a change of its table, at the latest at the second try", async () => {
    const { storage, scope } = await open("/", { url: await server.createDatabase(), max: 1 });
    await storage.query("CREATE SCHEMA attune; CREATE TABLE wide (a int); INSERT INTO wide VALUES (1)");
    const read = () => storage.query("SELECT * FROM wide WHERE a = $1", [1]);
    await read();
    await storage.query("ALTER TABLE wide ADD COLUMN b int");
    await read().catch(() => {});
    expect((await read()).rows).toEqual([{ a: 1, b: null }]);
    await scope.end();
  });

  test("a session ended by the administrator is replaced", async () => {
    const { storage, scope } = await open("/", { url: await server.createDatabase(), max: 1 });
    const victim = rejection(storage.query("SELECT pg_terminate_backend(pg_backend_pid())"));
    expect(await victim).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
    expect((await storage.query("SELECT 1 AS n")).rows).toEqual([{ n: 1 }]);
    await scope.end();
    expect(await rejection(storage.query("SELECT 1"))).toMatchObject({ code: "DATABASE_UNAVAILABLE" });
  });
});

test("the packaged password of a new cluster is of no use once it has started", async () => {
  const dataDir = makeDataDir();
  const { scope } = await open(dataDir);
  const { id } = makeHome(dataDir);
  const socketDir = readFileSync(join(makeHome(dataDir).data, "postmaster.pid"), "utf8").split("\n")[4] ?? "";
  expect(socketDir).toContain(id);
  const client = { host: socketDir, port: 5432, user: "attune", database: "postgres", password: "initial" };
  expect(await rejection(connect({ client, where: "it", prepare: false }, () => {}))).toMatchObject({ retryable: false });
  await scope.end();
  await cleanUp();
});
