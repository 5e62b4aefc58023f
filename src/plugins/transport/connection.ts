import { readFile } from "node:fs/promises";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from "@nats-io/transport-node";
import { AttuneError, toError } from "../../core/errors.ts";
import type { Logger } from "../../core/plugin.ts";

const OLDEST = "2.9.4";
const RECOMMENDED = "2.12.7";

/** Where to connect to. `servers` are `host:port` without credentials, so they may be shown. */
export interface Endpoint {
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly login?: { readonly user: string; readonly pass: string } | { readonly token: string };
  /** Path of a `.creds` file. */
  readonly creds?: string;
}

/**
 * Reads `nats://user:password@host:4222`, `tls://token@host`, `host:port`, a list of them, or one string with commas.
 * The first credentials found are used for every server. Throws `CONFIG_INVALID`, never repeating a password.
 */
export function parseEndpoint(url: string | readonly string[], creds?: string): Endpoint {
  const urls = (typeof url === "string" ? url.split(",") : url).map((one) => parseUrl(one.trim()));
  if (urls.length === 0) throw invalidUrl("no URL given");
  const withLogin = urls.find(({ username }) => username !== "");
  return {
    servers: urls.map(({ hostname, port }) => `${hostname}:${port || "4222"}`),
    tls: urls.some(({ protocol }) => protocol === "tls:"),
    ...(withLogin && { login: loginOf(withLogin) }),
    ...(creds !== undefined && { creds }),
  };
}

function parseUrl(text: string): URL {
  const url = URL.parse(text.includes("://") ? text : `nats://${text}`);
  if (!url?.hostname) throw invalidUrl("it is not a URL");
  if (url.protocol !== "nats:" && url.protocol !== "tls:") throw invalidUrl(`it starts with ${url.protocol}//`);
  return url;
}

function loginOf({ username, password }: URL): { user: string; pass: string } | { token: string } {
  const user = decodeURIComponent(username);
  return password === "" ? { token: user } : { user, pass: decodeURIComponent(password) };
}

function invalidUrl(reason: string): AttuneError {
  return new AttuneError("CONFIG_INVALID", `the URL of NATS can't be used: ${reason}`, {
    hint: "write nats://host:4222, nats://user:password@host:4222 or tls://host:4222",
  });
}

/**
 * Connects, and from then on reconnects for ever. Rejects with a retryable `TRANSPORT_UNAVAILABLE` when no server answers,
 * and with one that isn't retryable when the credentials are refused.
 */
export async function connectTo(endpoint: Endpoint): Promise<NatsConnection> {
  const where = endpoint.servers.join(", ");
  const options: NodeConnectionOptions = {
    name: "attune",
    servers: [...endpoint.servers],
    timeout: 5000,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    // A password changed on the server and changed back must not end the reconnecting.
    ignoreAuthErrorAbort: true,
    // A connection that died without a word is noticed within 15 s.
    pingInterval: 5000,
    maxPingOut: 2,
    noAsyncTraces: true,
    ...(endpoint.tls && { tls: {} }),
    ...endpoint.login,
    ...(endpoint.creds !== undefined && { authenticator: credsAuthenticator(await readCreds(endpoint.creds)) }),
  };
  try {
    return await connect(options);
  } catch (thrown) {
    if (thrown instanceof AuthorizationError) {
      throw new AttuneError("TRANSPORT_UNAVAILABLE", `NATS at ${where} refused the credentials`, {
        hint: "put user and password into the URL (nats://user:password@host:4222), or give a `creds` file",
        cause: thrown,
      });
    }
    throw new AttuneError("TRANSPORT_UNAVAILABLE", `can't reach NATS at ${where}: ${toError(thrown).message}`, {
      hint: "start nats-server there, or remove NATS_URL to move events in-process",
      retryable: true,
      cause: thrown,
    });
  }
}

async function readCreds(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (thrown) {
    throw new AttuneError("CONFIG_INVALID", `can't read the NATS credentials file: ${toError(thrown).message}`, {
      cause: thrown,
    });
  }
}

/** Checks the server's version and that it has JetStream. Rejects with `TRANSPORT_UNSUPPORTED` when it can't serve. */
export async function openJetStream(nc: NatsConnection, log: Logger): Promise<{ manager: JetStreamManager; version: string }> {
  const version = nc.info?.version ?? "0.0.0";
  const where = nc.getServer();
  if (Bun.semver.order(version, OLDEST) < 0) {
    throw new AttuneError("TRANSPORT_UNSUPPORTED", `NATS ${version} at ${where} is too old`, {
      hint: `install nats-server ${OLDEST} or newer, better ${RECOMMENDED} or newer`,
    });
  }
  if (Bun.semver.order(version, RECOMMENDED) < 0) {
    log.warn("this version of NATS has known security holes, update it", { version, recommended: RECOMMENDED });
  }
  try {
    return { manager: await jetstreamManager(nc, { timeout: 2000 }), version };
  } catch (thrown) {
    const error = toError(thrown);
    if (error.name === "TimeoutError") {
      throw new AttuneError("TRANSPORT_UNAVAILABLE", `JetStream of NATS at ${where} does not answer`, {
        retryable: true,
        cause: thrown,
      });
    }
    throw new AttuneError("TRANSPORT_UNSUPPORTED", `NATS at ${where} can't be used: ${error.message}`, {
      hint: "start nats-server with JetStream (`nats-server -js`) and allow this user to use it",
      cause: thrown,
    });
  }
}
