import type { JsonObject } from "../core/plugin.ts";
import { isObject, messageOf } from "./json.ts";

/** A rule this sensor works for. */
export interface SensorRule {
  readonly id: number;
  /** `pack.name` */
  readonly ref: string;
  /** Ref of the trigger the rule listens to, `pack.name`. */
  readonly trigger: string;
  /** What the rule states as `trigger_params`, already checked against the trigger's schema. */
  readonly params: JsonObject;
  /** When the rule got its present trigger and parameters, RFC 3339; null when the daemon did not say. */
  readonly armedAt: string | null;
  /** What the sensor last stored for this rule with `emit`. */
  readonly checkpoint: JsonObject | null;
}

/** The rules in `ATTUNE_SENSOR_TRIGGERS`. An entry that can't be read is reported to `warn` and left out. */
export function parseRules(text: string | undefined, warn: (message: string) => void): SensorRule[] {
  if (text === undefined || text.trim() === "") return [];
  try {
    return readRules(JSON.parse(text), warn);
  } catch (error) {
    warn(`the list of rules is not JSON: ${messageOf(error)}`);
    return [];
  }
}

/** The rules of one control line, or null when the line is something else. */
export function parseControlLine(line: string, warn: (message: string) => void): SensorRule[] | null {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    warn(`a line on stdin is not JSON: ${messageOf(error)}`);
    return null;
  }
  if (!isObject(message) || message["type"] !== "rules" || !Array.isArray(message["rules"])) return null;
  return readRules(message["rules"], warn);
}

function readRules(value: unknown, warn: (message: string) => void): SensorRule[] {
  if (!Array.isArray(value)) {
    warn("the list of rules is not an array");
    return [];
  }
  return value.flatMap((entry) => {
    const rule = readRule(entry);
    if (!rule) warn(`a rule without id, ref or trigger was left out: ${JSON.stringify(entry).slice(0, 200)}`);
    return rule ? [rule] : [];
  });
}

function readRule(entry: unknown): SensorRule | null {
  if (!isObject(entry)) return null;
  const id = entry["id"] ?? entry["rule_id"];
  const ref = entry["rule_ref"] ?? entry["ref"];
  const trigger = entry["trigger_ref"] ?? entry["trigger_type"];
  if (typeof id !== "number" || typeof ref !== "string" || typeof trigger !== "string") return null;
  const params = entry["trigger_params"] ?? entry["config"];
  const armedAt = entry["armed_at"];
  const checkpoint = entry["checkpoint"];
  return {
    id,
    ref,
    trigger,
    params: isObject(params) ? params : {},
    armedAt: typeof armedAt === "string" ? armedAt : null,
    checkpoint: isObject(checkpoint) ? checkpoint : null,
  };
}
