import { isDeeperThan } from "../json.ts";
import type { JsonObject } from "../plugin.ts";
import { isObject } from "../values.ts";

/** One line of a sensor's standard output, understood. */
export type SensorLine =
  | { readonly kind: "event"; readonly event: SensorEvent }
  | { readonly kind: "log"; readonly text: string }
  | { readonly kind: "rejected"; readonly reason: string };

export interface SensorEvent {
  /** As written; null when the line names none. */
  readonly trigger: string | null;
  readonly target: RuleTarget | null;
  /** The source's own name for the occurrence: the same key is the same event. */
  readonly key: string | null;
  readonly payload: JsonObject;
  readonly checkpoint: JsonObject | null;
}
/** The one rule an event is for, by `rule_<id>` or `rule_<ref>`. */
export type RuleTarget = { readonly id: number } | { readonly ref: string };

const deepest = 64;

/**
 * Reads a line (contract 3.4). An object with a `payload` object is an envelope; any other object is itself the payload
 * but for the routing keys. What is not an object, or looks like a log record, is log.
 */
export function readSensorLine(line: string): SensorLine {
  if (!line.trimStart().startsWith("{")) return { kind: "log", text: line };
  let value: JsonObject;
  try {
    value = JSON.parse(line);
  } catch (thrown) {
    return { kind: "rejected", reason: `not valid JSON: ${(thrown as Error).message}` };
  }
  if (isDeeperThan(value, deepest)) return { kind: "rejected", reason: `nested deeper than ${deepest} levels` };
  if (value["payload"] === undefined && typeof value["level"] === "string" && typeof value["message"] === "string") {
    return { kind: "log", text: line };
  }
  return readEvent(value);
}

function readEvent(value: JsonObject): SensorLine {
  const enveloped = isObject(value["payload"]);
  const { trigger_ref, trigger_type, trigger_instance_id, rule_id, rule_ref, event_id, ...rest } = value;
  const trigger = trigger_ref ?? trigger_type ?? null;
  if (trigger !== null && typeof trigger !== "string") return { kind: "rejected", reason: "trigger_ref is not text" };
  // A flat line's own `id` is data; only an envelope's can be meant as the key.
  const key = event_id ?? (enveloped ? (value["id"] ?? null) : null);
  if (key !== null && typeof key !== "string" && typeof key !== "number")
    return { kind: "rejected", reason: "event_id is neither text nor a number" };
  const target = readTarget(trigger_instance_id ?? null);
  if (target === "malformed") {
    return {
      kind: "rejected",
      reason: `trigger_instance_id ${JSON.stringify(trigger_instance_id)} is not rule_<id> or rule_<ref>`,
    };
  }
  const checkpoint = enveloped && isObject(value["checkpoint"]) ? value["checkpoint"] : null;
  const payload = enveloped ? (value["payload"] as JsonObject) : rest;
  return { kind: "event", event: { trigger, target, key: key === null ? null : String(key), payload, checkpoint } };
}

function readTarget(value: unknown): RuleTarget | null | "malformed" {
  if (value === null || value === "") return null;
  if (typeof value === "number") return Number.isSafeInteger(value) ? { id: value } : "malformed";
  if (typeof value !== "string") return "malformed";
  const name = value.startsWith("rule_") ? value.slice("rule_".length) : value;
  if (/^\d+$/.test(name)) return { id: Number(name) };
  return name.includes(".") ? { ref: name } : "malformed";
}
