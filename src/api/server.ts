import { AttuneError, toError } from "../core/errors.ts";
import type { Logger, Scope } from "../core/plugin.ts";
import { createApp } from "./app.ts";
import { maxBodyBytes } from "./body.ts";
import type { Services } from "./services.ts";

export interface ApiOptions {
  readonly host: string;
  /** null: not configured, so 8080 or the next free port. 0: any free port. */
  readonly port: number | null;
  readonly token: string;
  /** Names beside localhost that may stand in a Host header, without port. */
  readonly allowedHosts: readonly string[];
  readonly services: Services;
  readonly log: Logger;
  /** The server stops when it ends: no new connections, open streams closed, running requests finished. */
  readonly scope: Scope;
}

const firstPort = 8080;
const portsTried = 100;
const loopback = ["localhost", "127.0.0.1", "[::1]"];
const everyAddress = ["0.0.0.0", "::"];
/** Seconds a running request may take while the server stops. */
const stopGrace = 5;

/** Listens and returns the address. Throws ADDRESS_IN_USE when a configured port is taken or the host is not this machine's. */
export async function startApi(options: ApiOptions): Promise<{ url: string }> {
  const stopping = new AbortController();
  const app = createApp({
    services: options.services,
    guard: { token: options.token, hosts: hostsOf(options) },
    streams: { log: options.log, stopping: stopping.signal },
    log: options.log,
  });
  const server = listen(options, (request, server) => {
    // A stream may be silent for long; it has heartbeats of its own. The url is no URL when the Host header is malformed.
    if (/\/stream(\?|$)/.test(request.url)) server.timeout(request, 0);
    return app.fetch(request);
  });
  options.scope.defer(async () => {
    stopping.abort();
    await Promise.race([server.stop(), Bun.sleep(stopGrace * 1000)]);
    await server.stop(true);
  });
  return { url: `http://${urlHost(options.host)}:${server.port}` };
}

type Server = Bun.Server<undefined>;
function listen(options: ApiOptions, fetch: (request: Request, server: Server) => Response | Promise<Response>): Server {
  const ports = options.port === null ? Array.from({ length: portsTried }, (_, i) => firstPort + i) : [options.port];
  for (const port of ports) {
    try {
      return Bun.serve({
        // Its default is true outside of development, and then a second daemon silently shares the port.
        reusePort: false,
        hostname: options.host,
        port,
        fetch,
        idleTimeout: 30,
        maxRequestBodySize: 2 * maxBodyBytes,
        development: false,
      });
    } catch (thrown) {
      const error = toError(thrown);
      if (!("code" in error) || error.code !== "EADDRINUSE") {
        throw new AttuneError("ADDRESS_IN_USE", `cannot listen on ${options.host}:${port}: ${error.message}`, {
          hint: "set api.host to an address of this machine",
          cause: error,
        });
      }
    }
  }
  const taken = options.port === null ? `ports ${firstPort} to ${firstPort + portsTried - 1} are all` : `port ${options.port} is`;
  throw new AttuneError("ADDRESS_IN_USE", `${taken} taken on ${options.host}`, {
    hint: "stop what listens there or set another api.port (ATTUNE_API_PORT)",
  });
}

function hostsOf({ host, allowedHosts }: ApiOptions): ReadonlySet<string> {
  const own = everyAddress.includes(host) ? [] : [urlHost(host)];
  return new Set([...loopback, ...own, ...allowedHosts].map((name) => name.toLowerCase()));
}

/** As it stands in a URL that reaches the server from this machine. */
function urlHost(host: string): string {
  if (everyAddress.includes(host)) return host === "::" ? "[::1]" : "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
