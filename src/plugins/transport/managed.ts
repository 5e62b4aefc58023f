import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { AttuneError, toError } from "../../core/errors.ts";
import type { Logger, OpenContext } from "../../core/plugin.ts";
import type { Endpoint } from "./connection.ts";
import { stopLeftover } from "./leftover.ts";
import { type Login, type NatsServer, type ServerFiles, startServer, writeServerConfig } from "./nats-server.ts";

const FIRST_BACKOFF = 100;
const LONGEST_BACKOFF = 10_000;
/** A server that ran this long is started again without delay. */
const HEALTHY_AFTER = 60_000;
const PORT_ATTEMPTS = 3;
/** Where distributions put servers, which an ordinary user's PATH leaves out. */
const SERVER_DIRECTORIES = "/usr/local/sbin:/usr/sbin:/usr/local/bin";

/**
 * Starts `nats-server` on a free port of the loopback address with a password made for this run, restarts it when it dies,
 * and stops it when the scope ends. What a killed daemon left running on the same store is stopped first.
 *
 * Rejects with `TRANSPORT_UNAVAILABLE` when the program is missing or does not start.
 */
export async function startManagedNats({ scope, log, dataDir }: OpenContext): Promise<Endpoint> {
  const program = Bun.which("nats-server") ?? Bun.which("nats-server", { PATH: SERVER_DIRECTORIES });
  if (!program) {
    throw new AttuneError(
      "TRANSPORT_UNAVAILABLE",
      "nats({ managed: true }) needs the program nats-server, and it is not on PATH",
      {
        hint: "install it (`apt-get install nats-server`, or https://nats.io/download), or remove `managed` to use a server elsewhere",
      },
    );
  }
  const directory = join(dataDir, "nats");
  const files = { config: join(directory, "server.conf"), pid: join(directory, "server.pid"), store: join(directory, "store") };
  await mkdir(files.store, { recursive: true, mode: 0o700 });
  await stopLeftover(files, log);

  const login = { user: "attune", pass: randomBytes(24).toString("base64url") };
  const { port, server } = await startOnFreePort(program, files, login, log);
  // Not the scope's own signal: the transport still needs the server for its last acks when that one aborts.
  const stop = new AbortController();
  const supervision = supervise(server, () => startServer(program, files.config, log), stop.signal, log);
  scope.defer(() => {
    stop.abort();
    return supervision;
  });
  return { servers: [`127.0.0.1:${port}`], tls: false, login };
}

/** Between choosing a free port and listening on it another program may take it, hence the attempts. */
async function startOnFreePort(program: string, files: ServerFiles, login: Login, log: Logger) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    await writeServerConfig(files, port, login);
    try {
      return { port, server: await startServer(program, files.config, log) };
    } catch (thrown) {
      if (attempt === PORT_ATTEMPTS) throw thrown;
    }
  }
}

async function supervise(first: NatsServer, restart: () => Promise<NatsServer>, signal: AbortSignal, log: Logger): Promise<void> {
  const stopping = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  let server: NatsServer | undefined = first;
  let backoff = FIRST_BACKOFF;
  while (!signal.aborted) {
    if (server) {
      const since = performance.now();
      const lastWords = await Promise.race([server.exited, stopping]);
      if (signal.aborted) return server.stop();
      log.warn("nats-server ended, starting it again", { lastWords });
      if (performance.now() - since > HEALTHY_AFTER) backoff = FIRST_BACKOFF;
    }
    await Promise.race([Bun.sleep(backoff), stopping]);
    if (signal.aborted) return;
    backoff = Math.min(LONGEST_BACKOFF, backoff * 2);
    server = await restart().catch((thrown) => {
      log.error("nats-server could not be started again", { error: toError(thrown).message });
      return undefined;
    });
  }
  await server?.stop();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the probe for a free port has no address");
  return address.port;
}
