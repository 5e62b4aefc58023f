import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { toError } from "../../../core/errors.ts";
import type { Logger } from "../../../core/plugin.ts";
import { type Home, serverPort } from "./account.ts";
import { spawnOptions } from "./cluster.ts";
import { unavailable } from "./failure.ts";
import { stopLeftover } from "./leftover.ts";

export interface ServerOptions {
  readonly home: Home;
  readonly programs: string;
  readonly socketDir: string;
  readonly log: Logger;
  /** Whether the server answers; false while it starts. Throwing gives up. */
  readonly answers: () => Promise<boolean>;
}
export interface Server {
  /** Stops the server and its supervision. */
  stop(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<string>;
  /** The last lines it wrote. */
  readonly tail: () => string;
}

/** Small, safe, and quiet: sized for a machine of 1 GB that does other things too. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "",
  port: String(serverPort),
  unix_socket_permissions: "0700",
  ssl: "off",
  fsync: "on",
  synchronous_commit: "on",
  max_connections: "40",
  shared_buffers: "64MB",
  maintenance_work_mem: "32MB",
  max_wal_size: "256MB",
  min_wal_size: "64MB",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_parallel_workers_per_gather: "0",
  io_method: "sync",
  jit: "off",
  autovacuum: "on",
  huge_pages: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_destination: "stderr",
  logging_collector: "off",
  log_checkpoints: "off",
  log_line_prefix: "",
  log_min_messages: "warning",
};
/** Crash recovery of a full write-ahead log on a slow disk. */
const startTimeout = 120_000;
const pollEvery = 5;
const backoff = { first: 50, most: 5_000, healthyAfter: 10_000 };
const tailLines = 5;

/** Starts the server, waits until it answers, and starts it again whenever it ends by itself. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { home, log } = options;
  const stopping = new AbortController();
  let running = launch(options);

  async function becomeReady(): Promise<void> {
    let gone: string | undefined;
    void running.exited.then((how) => {
      gone = how;
    });
    const deadline = performance.now() + startTimeout;
    while (!(await options.answers())) {
      if (gone !== undefined) throw unavailable("embedded PostgreSQL", `it ended with ${gone}: ${running.tail()}`);
      if (stopping.signal.aborted) throw unavailable("embedded PostgreSQL", "it is being stopped");
      if (performance.now() > deadline) throw unavailable("embedded PostgreSQL", `no answer in ${startTimeout / 1000} s`);
      await sleep(pollEvery);
    }
  }

  async function supervise(): Promise<void> {
    let wait = backoff.first;
    for (;;) {
      const since = performance.now();
      const how = await running.exited;
      if (stopping.signal.aborted) return;
      if (performance.now() - since > backoff.healthyAfter) wait = backoff.first;
      log.error("embedded PostgreSQL ended by itself; starting it again", { how, output: running.tail() });
      await sleep(wait, undefined, { signal: stopping.signal }).catch(() => {
        // Stopping: the check below ends the loop.
      });
      wait = Math.min(wait * 2, backoff.most);
      if (stopping.signal.aborted) return;
      try {
        await stopLeftover(home.data, log);
        running = launch(options);
        await becomeReady();
        log.info("embedded PostgreSQL is back");
      } catch (thrown) {
        log.error("embedded PostgreSQL did not start", { error: toError(thrown).message });
      }
    }
  }

  async function stop(): Promise<void> {
    stopping.abort();
    await stopChild(running);
  }

  try {
    await becomeReady();
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  const supervision = supervise();
  return {
    async stop() {
      await stop();
      await supervision;
    },
  };
}

function launch({ home, programs, socketDir, log }: ServerOptions): Running {
  const all = { ...settings, unix_socket_directories: socketDir };
  const args = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(join(programs, "bin/postgres"), ["-D", home.data, ...args], {
    ...spawnOptions(home.account, home.dir),
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  child.stderr?.on("data", (chunk: Buffer) => {
    for (const line of chunk.toString().split("\n").filter(Boolean)) {
      log.debug(line, { source: "postgres" });
      lines.push(line);
    }
    lines.splice(0, lines.length - tailLines);
  });
  const exited = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  return { child, exited, tail: () => lines.join("; ") };
}

/** Fast shutdown; then immediate, from which the next start recovers; then death. */
async function stopChild({ child, exited }: Running): Promise<void> {
  for (const [signal, patience] of [
    ["SIGINT", 10_000],
    ["SIGQUIT", 5_000],
    ["SIGKILL", 5_000],
  ] as const) {
    child.kill(signal);
    const ended = await Promise.race([exited.then(() => true), sleep(patience, false, { ref: false })]);
    if (ended) return;
  }
}
