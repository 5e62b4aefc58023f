import { AttuneError } from "../core/errors.ts";
import type { Json, JsonObject } from "../core/plugin.ts";
import { isObject } from "../core/values.ts";

export const maxBodyBytes = 1024 * 1024;
const maxDepth = 50;

/**
 * The request's body as a JSON object. Refuses what is not JSON by its content type (MEDIA_TYPE_UNSUPPORTED), larger than
 * 1 MiB (BODY_TOO_LARGE), or not an object, not UTF-8, nested deeper than 50 or holding a `__proto__` key (BODY_INVALID).
 */
export async function readJsonObject(request: Request): Promise<JsonObject> {
  const type = (request.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
  if (type !== "application/json") {
    throw new AttuneError("MEDIA_TYPE_UNSUPPORTED", `a body must be application/json${type && `, not ${type}`}`);
  }
  const encoding = request.headers.get("content-encoding");
  if (encoding && encoding.toLowerCase() !== "identity") {
    throw new AttuneError("MEDIA_TYPE_UNSUPPORTED", "a body must not be compressed");
  }
  return parseJsonObject(await readLimited(request));
}

function parseJsonObject(bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new AttuneError("BODY_INVALID", "the body is not UTF-8");
  }
  if (nestingDepth(text) > maxDepth) throw new AttuneError("BODY_INVALID", `the body is nested deeper than ${maxDepth}`);
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AttuneError("BODY_INVALID", "the body is not valid JSON");
  }
  if (!isObject(value)) throw new AttuneError("BODY_INVALID", "the body must be a JSON object");
  refuseProto(value);
  return value;
}

async function readLimited(request: Request): Promise<Uint8Array> {
  const tooLarge = () => new AttuneError("BODY_TOO_LARGE", `the body is larger than ${maxBodyBytes / 1024} KiB`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBodyBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Counted on the text, before anything recurses over it. */
function nestingDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) i = endOfString(text, i);
    else if (char === 0x7b || char === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (char === 0x7d || char === 0x5d) depth--;
  }
  return deepest;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i;
}

function refuseProto(value: Json): void {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value) && Object.hasOwn(value, "__proto__")) {
    throw new AttuneError("BODY_INVALID", "the body must not have a key __proto__");
  }
  for (const item of Object.values(value)) refuseProto(item);
}
