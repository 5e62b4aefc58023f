import { toError } from "../../core/errors.ts";
import type { EventMessage, JsonObject } from "../../core/plugin.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Two tokens without blanks, dots and wildcards, so that a ref can't widen the subject it is published to. */
const REF = /^[\w-]+\.[\w-]+$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function isRef(text: string): boolean {
  return REF.test(text);
}

export function encodeEvent(event: EventMessage): Uint8Array {
  return encoder.encode(JSON.stringify(event));
}

/** Reads a message from the stream, which anybody with access to the server may have written. Throws with the reason. */
export function decodeEvent(data: Uint8Array): EventMessage {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(data));
  } catch (thrown) {
    throw new Error(`not JSON: ${toError(thrown).message}`);
  }
  if (!isObject(value)) throw new Error("not a JSON object");
  const { id, trigger, sensor, rule, at, payload, checkpoint } = value;
  if (typeof id !== "string" || !UUID.test(id)) throw new Error("`id` is not a UUID");
  if (typeof trigger !== "string" || !isRef(trigger)) throw new Error("`trigger` is not a ref");
  if (sensor !== null && typeof sensor !== "string") throw new Error("`sensor` is neither a ref nor null");
  if (rule !== null && typeof rule !== "string") throw new Error("`rule` is neither a ref nor null");
  if (typeof at !== "string" || Number.isNaN(Date.parse(at))) throw new Error("`at` is not a time");
  if (!isObject(payload)) throw new Error("`payload` is not an object");
  if (checkpoint === undefined) return { id, trigger, sensor, rule, at, payload };
  if (!isObject(checkpoint)) throw new Error("`checkpoint` is not an object");
  return { id, trigger, sensor, rule, at, payload, checkpoint };
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
