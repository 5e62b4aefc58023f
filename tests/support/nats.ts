import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { until } from "./until.ts";

/** A real nats-server with JetStream in a temp directory, on a port that stays the same over restarts. */
export interface TestNats {
  readonly url: string;
  readonly port: number;
  /** Holds configuration and store. */
  readonly dir: string;
  /** Ends it gracefully; the store stays. */
  stop(): Promise<void>;
  /** Ends it as a crash would; the store stays. */
  kill9(): Promise<void>;
  /** Starts it again after `stop` or `kill9`, or stops it first. With `wipe` the store is empty. */
  restart(options?: { wipe?: boolean }): Promise<void>;
  /** Stops it and removes the directory. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The path of nats-server. A machine without one gets an error, not a skipped test. */
export function natsProgram(): string {
  const program = Bun.which("nats-server") ?? Bun.which("nats-server", { PATH: "/usr/sbin:/usr/local/sbin" });
  if (!program) throw new Error("these tests need nats-server: run .ci/install-nats");
  return program;
}

/** Starts a server and waits until it takes connections. `config` is added to its configuration. */
export async function startNats({ config = "", jetstream = true } = {}): Promise<TestNats> {
  const program = natsProgram();
  const dir = await mkdtemp(join(tmpdir(), "attune-nats-"));
  const port = freePort();
  const file = join(dir, "server.conf");
  const store = join(dir, "store");
  const stream = jetstream ? `jetstream { store_dir: ${JSON.stringify(store)} }\n` : "";
  await writeFile(file, `listen: "127.0.0.1:${port}"\n${stream}${config}\n`);
  let child = await start();

  async function start() {
    const started = Bun.spawn([program, "-c", file, "-l", join(dir, "server.log")], { stdio: ["ignore", "ignore", "ignore"] });
    await until(`nats-server on port ${port}`, async () => {
      if (started.exitCode !== null) throw new Error(await Bun.file(join(dir, "server.log")).text());
      const probe = await connect({ servers: `127.0.0.1:${port}`, reconnect: false, timeout: 1000 }).catch((error) => {
        // Told to identify itself: it is there.
        if (error.name === "AuthorizationError") return undefined;
        throw error;
      });
      await probe?.close();
      return true;
    });
    return started;
  }
  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    child.kill(signal);
    await child.exited;
  }

  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    dir,
    stop: () => end("SIGTERM"),
    kill9: () => end("SIGKILL"),
    async restart({ wipe = false } = {}) {
      await end("SIGTERM");
      if (wipe) await rm(store, { recursive: true, force: true });
      child = await start();
    },
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** A client straight to the server, past the plugin, to look at and change what is there. */
export async function connectDirectly(url: string) {
  const nc = await connect({ servers: url.replace("nats://", "") });
  return { manager: await jetstreamManager(nc), [Symbol.asyncDispose]: () => nc.close() };
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
