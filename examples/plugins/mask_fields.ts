import { definePlugin, type Json, type JsonObject } from "attune";

// Fields of event payloads that must not be stored, at any depth, and what stands in their place.
const fields = new Set(["password", "token", "card_number"]);
const mask = "***";

export default definePlugin({
  kind: "hooks",
  name: "mask_fields",
  api: 1,
  hooks: {
    // Before the event is moved or stored, so rules, executions and records of events only ever see the mask.
    "event:accept": (event) => ({ ...event, payload: maskObject(event.payload) }),
  },
});

function maskObject(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, fields.has(key) ? mask : maskInside(value)]));
}

function maskInside(value: Json): Json {
  if (Array.isArray(value)) return value.map(maskInside);
  return typeof value === "object" && value !== null ? maskObject(value) : value;
}
