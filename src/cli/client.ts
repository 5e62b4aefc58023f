import { AttuneError, type ErrorCode, toError } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/plugin.ts";
import { definedOnly, isObject } from "../core/values.ts";
import type { Context } from "./context.ts";
import { type Endpoint, findDaemon } from "./find-daemon.ts";
import { readServerSentEvents, type ServerSentEvent } from "./sse.ts";

type Query = Readonly<Record<string, string | undefined>>;

/** The daemon's API. Every failure is an AttuneError: the daemon's own, or DAEMON_UNREACHABLE. */
export interface Client {
  readonly endpoint: Endpoint;
  /** The record in `data`. `path` starts after `/api/v1`. */
  get<T>(path: string): Promise<T>;
  /** Up to `limit` records of a list, over as many pages as that takes; all of them without a limit. */
  list<T extends object>(path: string, query?: Query, limit?: number): Promise<T[]>;
  post<T>(path: string, body?: JsonObject): Promise<T>;
  patch<T>(path: string, body: JsonObject): Promise<T>;
  delete<T>(path: string): Promise<T>;
  bytes(path: string): Promise<Uint8Array>;
  /** The events of a stream until it ends. Throws DAEMON_UNREACHABLE when it breaks. */
  events(path: string): AsyncGenerator<ServerSentEvent>;
}

const pageSize = 100;

export function connect(context: Context): Client {
  const endpoint = findDaemon({ options: context.options, env: context.io.env, cwd: context.io.cwd });
  // A proxy is for the world outside; this machine's own daemon is not there.
  const { hostname } = new URL(endpoint.url);
  if (["127.0.0.1", "localhost", "[::1]"].includes(hostname)) process.env["NO_PROXY"] = hostname;

  const request = async (method: string, path: string, body?: JsonObject): Promise<Response> => {
    const response = await send(endpoint, context.io.signal, method, path, body);
    if (!response.ok) throw await failureOf(response);
    return response;
  };
  const data = async <T>(response: Promise<Response>): Promise<T> => ((await (await response).json()) as { data: T }).data;
  return {
    endpoint,
    get: (path) => data(request("GET", path)),
    post: (path, body) => data(request("POST", path, body)),
    patch: (path, body) => data(request("PATCH", path, body)),
    delete: (path) => data(request("DELETE", path)),
    bytes: async (path) => new Uint8Array(await (await request("GET", path)).arrayBuffer()),
    list: async <T extends object>(path: string, query: Query = {}, limit = Number.POSITIVE_INFINITY) => {
      const rows = new Map<unknown, T>();
      for (let page = 1; rows.size < limit; page++) {
        const words = { ...query, page: String(page), page_size: String(Math.min(pageSize, limit)) };
        const response = await request("GET", `${path}?${new URLSearchParams(definedOnly(words))}`);
        const { items, pagination } = (await response.json()) as { items: T[]; pagination: { has_next: boolean } };
        // New rows push old ones onto the next page: what was seen already is not shown twice.
        for (const item of items) rows.set("id" in item ? item.id : "ref" in item ? item.ref : item, item);
        if (!pagination.has_next) break;
      }
      return [...rows.values()].slice(0, limit);
    },
    events: async function* (path) {
      const { body } = await request("GET", path);
      if (!body) return;
      try {
        for await (const received of readServerSentEvents(body)) {
          if (received.event === "error")
            throw new AttuneError("INTERNAL", "the daemon could not go on", { hint: "its log says why" });
          yield received;
        }
      } catch (thrown) {
        context.io.signal.throwIfAborted();
        throw thrown instanceof AttuneError ? thrown : unreachable(endpoint, toError(thrown));
      }
    },
  };
}

async function send(endpoint: Endpoint, signal: AbortSignal, method: string, path: string, body?: JsonObject): Promise<Response> {
  try {
    return await fetch(`${endpoint.url}/api/v1${path}`, {
      method,
      headers: {
        ...(endpoint.token && { Authorization: `Bearer ${endpoint.token}` }),
        ...(body && { "Content-Type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal,
      redirect: "error",
    });
  } catch (thrown) {
    signal.throwIfAborted();
    throw unreachable(endpoint, toError(thrown));
  }
}

export function unreachable(endpoint: Endpoint, cause?: Error): AttuneError {
  const dead = endpoint.pid !== null && !isAlive(endpoint.pid);
  const what = dead
    ? `the daemon (pid ${endpoint.pid}) is not running any more`
    : `the daemon does not answer at ${endpoint.url}`;
  return new AttuneError("DAEMON_UNREACHABLE", what, {
    hint: dead ? "start it with attune daemon" : "is it running, and is the address right?",
    cause,
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The daemon's own words, or what can be said of an answer that is not the daemon's. */
async function failureOf(response: Response): Promise<AttuneError> {
  const text = await response.text();
  let body: Json = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Some other server, or a proxy in between: handled below.
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body) && typeof body["error"] === "string") {
    const { error, hint, details } = body;
    const at = isObject(details) && typeof details["at"] === "string" ? `${details["at"]}: ` : "";
    return new AttuneError(codeOf(body["code"], response.status), at + error, typeof hint === "string" ? { hint } : {});
  }
  return new AttuneError(
    "DAEMON_UNREACHABLE",
    `${new URL(response.url).origin} answered ${response.status} and is not an attune daemon`,
  );
}

/** The code decides no more than the exit code here, so one of a newer daemon does no harm. */
function codeOf(code: Json | undefined, status: number): ErrorCode {
  return typeof code === "string" ? (code as ErrorCode) : status === 404 ? "NOT_FOUND" : "INTERNAL";
}

/** A ref or id as part of a path. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}
