import { describe, expect, test } from "bun:test";
import { readSensorLine } from "../../src/core/events/lines.ts";

const read = (value: object | string) => readSensorLine(typeof value === "string" ? value : JSON.stringify(value));
const event = (more: object) => ({
  kind: "event" as const,
  event: { trigger: null, target: null, key: null, payload: {}, checkpoint: null, ...more },
});

describe("enveloped", () => {
  test("payload, routing keys and checkpoint are told apart", () => {
    const line = {
      trigger_ref: "p.t",
      trigger_instance_id: "rule_7",
      rule_id: 7,
      rule_ref: "p.r",
      event_id: "e1",
      payload: { id: 5, trigger_ref: "inside" },
      checkpoint: { count: 3 },
      source: "ignored",
    };
    expect(read(line)).toEqual(
      event({
        trigger: "p.t",
        target: { id: 7 },
        key: "e1",
        payload: { id: 5, trigger_ref: "inside" },
        checkpoint: { count: 3 },
      }),
    );
  });

  test("trigger_type names the trigger too, and an id is the dedupe key when there is no event_id", () => {
    expect(read({ trigger_type: "p.t", id: 12, payload: {} })).toEqual(event({ trigger: "p.t", key: "12" }));
    expect(read({ id: "a", event_id: "b", payload: {} })).toEqual(event({ key: "b" }));
  });
});

describe("flat", () => {
  test("everything but the routing keys is the payload, its id and checkpoint included", () => {
    const line = { type: "interval", id: 9, checkpoint: { a: 1 }, trigger_instance_id: 1, trigger_ref: "core.intervaltimer" };
    expect(read(line)).toEqual(
      event({ trigger: "core.intervaltimer", target: { id: 1 }, payload: { type: "interval", id: 9, checkpoint: { a: 1 } } }),
    );
  });

  test("a payload that is no object is a field like any other", () => {
    expect(read({ payload: "text" })).toEqual(event({ payload: { payload: "text" } }));
    expect(read({ payload: [1] })).toEqual(event({ payload: { payload: [1] } }));
  });

  test("only event_id is a dedupe key", () => {
    expect(read({ event_id: 5, x: 1 })).toEqual(event({ key: "5", payload: { x: 1 } }));
  });
});

test.each<[unknown, object | null]>([
  ["rule_5", { id: 5 }],
  ["rule_p.r", { ref: "p.r" }],
  ["p.r", { ref: "p.r" }],
  ["5", { id: 5 }],
  [5, { id: 5 }],
  ["", null],
  [null, null],
])("trigger_instance_id %j is for %j", (given, target) => {
  expect(read({ trigger_instance_id: given, payload: {} })).toEqual(event({ target }));
});

describe("log", () => {
  test.each(["plain text", "", "  [1]", "5", '"text"', '{"level":"info","message":"started","x":1}'])("%j is log", (line) => {
    expect(read(line)).toEqual({ kind: "log", text: line });
  });

  test("level and message inside an envelope, or alone, are data", () => {
    expect(read({ payload: { a: 1 }, level: "info", message: "m" })).toEqual(event({ payload: { a: 1 } }));
    expect(read({ level: 3, message: "m" })).toEqual(event({ payload: { level: 3, message: "m" } }));
  });
});

test.each<[object | string, RegExp]>([
  ["{broken", /^not valid JSON/],
  [{ trigger_ref: 5, payload: {} }, /^trigger_ref is not text/],
  [{ event_id: {}, payload: {} }, /^event_id is neither/],
  [{ trigger_instance_id: "rule_x", payload: {} }, /^trigger_instance_id "rule_x"/],
  [{ trigger_instance_id: 1.5, payload: {} }, /^trigger_instance_id 1.5/],
  [`{"a":${"[".repeat(70)}${"]".repeat(70)}}`, /^nested deeper than 64/],
  [`{"a":${"[".repeat(100_000)}`, /^not valid JSON/],
])("%j is refused", (line, reason) => {
  const result = read(line);
  expect(result.kind).toBe("rejected");
  expect(result.kind === "rejected" && result.reason).toMatch(reason);
});

test("a key named __proto__ stays a key", () => {
  const result = readSensorLine('{"payload":{"__proto__":{"admin":true}}}');
  const payload = result.kind === "event" ? result.event.payload : {};
  expect(Object.keys(payload)).toEqual(["__proto__"]);
  expect((payload as { admin?: boolean }).admin).toBeUndefined();
});
