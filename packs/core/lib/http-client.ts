import type { Json } from "attune";
import { followRedirect, type HttpRequest } from "./http-request.ts";

/** Responses end up in the record of the execution; what is larger does not belong there. */
const maxBodyBytes = 4 * 1024 * 1024;

export interface HttpResult {
  readonly status_code: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly json: Json;
  readonly url: string;
  readonly success: boolean;
}

/** Sends a request, follows its redirects and reads the response. Throws an Error when none could be had in time. */
export async function sendRequest(request: HttpRequest): Promise<HttpResult> {
  const signal = AbortSignal.timeout(request.timeoutMs);
  try {
    let current = request;
    for (;;) {
      const response = await send(current, signal);
      const next = followRedirect(current, response.status, response.headers.get("location"));
      if (!next) return await readResponse(current.url, response);
      await response.body?.cancel();
      current = next;
    }
  } catch (error) {
    if (signal.aborted) throw new Error(`no complete response within ${request.timeoutMs / 1000} s`);
    throw explain(error);
  }
}

function send(request: HttpRequest, signal: AbortSignal): Promise<Response> {
  return fetch(request.url, {
    method: request.method,
    headers: request.headers,
    body: request.body,
    redirect: "manual",
    signal,
    tls: { rejectUnauthorized: request.verifyTls },
  });
}

async function readResponse(url: URL, response: Response): Promise<HttpResult> {
  const body = await readText(response);
  return {
    status_code: response.status,
    headers: readHeaders(response.headers),
    body,
    json: parseJson(body),
    url: url.href,
    success: response.ok,
  };
}

/** Counts what arrives after decompression, so that a small response can't unfold into a large one. */
async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > maxBodyBytes) throw new Error(`the response is larger than ${maxBodyBytes / 1024 / 1024} MiB`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Several values of one name are joined as HTTP does, except cookies, which hold commas: each has its own line. */
function readHeaders(headers: Headers): Record<string, string> {
  const result: Record<string, string> = Object.fromEntries(headers);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) result["set-cookie"] = cookies.join("\n");
  return result;
}

function parseJson(body: string): Json {
  try {
    return JSON.parse(body);
  } catch {
    return null; // most bodies are not JSON, and nobody said this one is
  }
}

function explain(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const code = "code" in error ? String(error.code) : "";
  const hint = /CERT|SELF_SIGNED|ERR_TLS/.test(code) ? " (verify_ssl: false accepts any certificate)" : "";
  return new Error(`${error.message}${hint}`);
}
