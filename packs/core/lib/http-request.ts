import type { Json, JsonObject } from "attune";

/** A request ready to be sent. */
export interface HttpRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string | null;
  readonly timeoutMs: number;
  readonly verifyTls: boolean;
  /** How many redirects may follow; null: a redirect is the response. */
  readonly redirectsLeft: number | null;
}

/** The client computes or manages these; a value of the caller's would contradict what is really sent. */
const managedHeaders: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const bodiless: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Builds the request that the parameters of `core.http_request` describe. Throws an Error that names the wrong one. */
export function buildRequest(params: JsonObject): HttpRequest {
  const method = (optionalText(params, "method") ?? "GET").toUpperCase();
  const { url, userInfo } = readUrl(params);
  const headers = readHeaders(params["headers"] ?? {});
  const authorization = readAuthorization(params) ?? userInfo;
  if (authorization) headers.set("authorization", authorization);
  const body = readBody(params, headers);
  if (body !== null && bodiless.has(method)) throw new Error(`a ${method} request can't have a body`);
  return {
    method,
    url,
    headers,
    body,
    timeoutMs: readNumber(params, "timeout", { fallback: 30, minimum: 1, maximum: 300 }) * 1000,
    verifyTls: params["verify_ssl"] !== false,
    redirectsLeft:
      params["follow_redirects"] === false
        ? null
        : readNumber(params, "max_redirects", { fallback: 10, minimum: 0, maximum: 50 }),
  };
}

/**
 * The request that follows a redirect, or null when the response is not one to follow. What authenticates the caller
 * stays with the origin it was meant for. Throws an Error for a target that isn't http and for one redirect too many.
 */
export function followRedirect(request: HttpRequest, status: number, location: string | null): HttpRequest | null {
  if (request.redirectsLeft === null || location === null || ![301, 302, 303, 307, 308].includes(status)) return null;
  if (request.redirectsLeft === 0) throw new Error("too many redirects");
  const url = parseHttpUrl(location, request.url);
  url.username = "";
  url.password = "";
  const headers = new Headers(request.headers);
  if (url.origin !== request.url.origin) for (const name of ["authorization", "cookie", "host"]) headers.delete(name);
  const next = { ...request, url, headers, redirectsLeft: request.redirectsLeft - 1 };
  const becomesGet = status === 303 ? !bodiless.has(request.method) : status < 303 && request.method === "POST";
  if (!becomesGet) return next;
  for (const name of [...headers.keys()]) if (name.startsWith("content-")) headers.delete(name);
  return { ...next, method: "GET", body: null };
}

/** The address as it may be shown: `http://user:secret@host/` without its user. */
export function withoutCredentials(url: Json | undefined): string {
  const text = typeof url === "string" ? url : "";
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, "$1");
}

function readUrl(params: JsonObject): { url: URL; userInfo: string | null } {
  const text = optionalText(params, "url");
  if (text === null) throw new Error("url is required");
  const url = parseHttpUrl(text);
  const userInfo = url.username === "" ? null : basic(decodeURIComponent(url.username), decodeURIComponent(url.password));
  url.username = "";
  url.password = "";
  for (const [name, value] of Object.entries(readObject(params, "query_params"))) {
    for (const item of Array.isArray(value) ? value : [value]) if (item !== null) url.searchParams.append(name, asText(item));
  }
  return { url, userInfo };
}

function parseHttpUrl(text: string, base?: URL): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw new Error(`not an address: ${withoutCredentials(text)}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new Error(`only http and https addresses are allowed, not ${url.protocol}`);
  return url;
}

function readHeaders(value: Json): Headers {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("headers is not an object");
  const headers = new Headers();
  for (const [name, content] of Object.entries(value)) {
    if (managedHeaders.has(name.toLowerCase())) throw new Error(`the header ${name} can't be set`);
    if (content === null) continue;
    if (typeof content === "object") throw new Error(`the header ${JSON.stringify(name)} is not a text`);
    try {
      headers.set(name, String(content));
    } catch {
      throw new Error(`the header ${JSON.stringify(name)} has a name or value that HTTP does not allow`);
    }
  }
  return headers;
}

function readAuthorization(params: JsonObject): string | null {
  const type = params["auth_type"] ?? "none";
  switch (type) {
    case "none":
      return null;
    case "basic": {
      const user = optionalText(params, "auth_username");
      if (user === null) throw new Error("auth_type basic needs auth_username");
      if (user.includes(":")) throw new Error("auth_username can't have a colon");
      return basic(user, optionalText(params, "auth_password") ?? "");
    }
    case "bearer": {
      const token = optionalText(params, "auth_token");
      if (token === null) throw new Error("auth_type bearer needs auth_token");
      if (/[^\x21-\x7e]/.test(token)) throw new Error("auth_token has a character that HTTP does not allow");
      return `Bearer ${token}`;
    }
    default:
      throw new Error(`auth_type is ${JSON.stringify(type)}; use none, basic or bearer`);
  }
}

function readBody(params: JsonObject, headers: Headers): string | null {
  const body = optionalText(params, "body");
  const json = params["json_body"] ?? null;
  if (json === null) return body;
  if (body !== null) throw new Error("body and json_body exclude each other");
  if (!headers.has("content-type")) headers.set("content-type", "application/json");
  return JSON.stringify(json);
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

function optionalText(params: JsonObject, name: string): string | null {
  const value = params[name] ?? null;
  if (value !== null && typeof value !== "string") throw new Error(`${name} is not a text`);
  return value === "" ? null : value;
}

function readObject(params: JsonObject, name: string): JsonObject {
  const value = params[name] ?? {};
  if (typeof value !== "object" || Array.isArray(value)) throw new Error(`${name} is not an object`);
  return value;
}

function readNumber(params: JsonObject, name: string, range: { fallback: number; minimum: number; maximum: number }): number {
  const value = params[name] ?? range.fallback;
  if (typeof value === "number" && value >= range.minimum && value <= range.maximum) return value;
  throw new Error(`${name} is ${JSON.stringify(value)}; use a number from ${range.minimum} to ${range.maximum}`);
}

function asText(value: Json): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
