import { describe, expect, test } from "bun:test";
import { compileDecision } from "../../src/core/events/conditions.ts";
import type { Json } from "../../src/core/plugin.ts";
import type { EventView } from "../../src/core/registry.ts";
import { spotOf } from "../../src/core/spot.ts";
import { thrownBy } from "../support/thrown.ts";

const event: EventView = {
  id: "0198",
  trigger: "core.webhook",
  created: "2026-01-01T00:00:00Z",
  payload: {
    level: "info",
    count: 5,
    tags: ["a", "b"],
    none: null,
    empty: "",
    user: { name: "ann", ids: [10, 20] },
    payload: { inner: 1 },
  },
};
const decide = (conditions: Json, when: string | null = null) => compileDecision({ when, conditions })(event);
const mistake = (conditions: Json, when: string | null = null) => thrownBy(() => compileDecision({ when, conditions }));

test.each([[null], [{}], [[]]])("%j asks nothing", (conditions) => {
  expect(decide(conditions)).toEqual({ fires: true });
});

describe("lists", () => {
  test.each<[string, string, Json]>([
    ["level", "equals", "info"],
    ["payload.level", "equals", "info"],
    ["event.payload.level", "equals", "info"],
    ["event.trigger", "equals", "core.webhook"],
    ["payload.inner", "equals", 1],
    ["user", "equals", { ids: [10, 20], name: "ann" }],
    ["user.ids.1", "equals", 20],
    ["none", "equals", null],
    ["level", "not_equals", "error"],
    ["level", "contains", "nf"],
    ["tags", "contains", "b"],
    ["user", "contains", "name"],
    ["tags", "not_contains", "c"],
    ["count", "greater_than", 4],
    ["count", "gt", 4.5],
    ["count", "less_than", 6],
    ["count", "gte", 5],
    ["count", "less_or_equal", 5],
    ["level", "lt", "zebra"],
    ["level", "in", ["info", "debug"]],
    ["level", "not_in", ["error"]],
    ["level", "starts_with", "in"],
    ["level", "ends_with", "fo"],
    ["level", "matches", "^i.*o$"],
    ["level", "regex", "nf"],
  ])("%s %s %j holds", (field, operator, value) => {
    expect(decide([{ field, operator, value }])).toEqual({ fires: true });
  });

  test.each<[string, string, Json, string]>([
    ["level", "equals", "error", 'payload.level equals "error": it is "info"'],
    ["event.payload.level", "equals", "error", 'event.payload.level equals "error": it is "info"'],
    ["count", "equals", "5", 'payload.count equals "5": it is 5'],
    ["count", "greater_than", "4", 'payload.count is greater than "4": it is 5'],
    ["tags", "starts_with", "a", 'payload.tags starts with "a": it is a list of 2'],
    ["user", "in", [1], "payload.user is in [1]: it is an object"],
    ["nope", "not_equals", "x", 'payload.nope does not equal "x": payload.nope is missing'],
    ["none.deeper", "equals", null, "payload.none.deeper equals null: payload.none.deeper is missing"],
    ["tags.length", "equals", 2, "payload.tags.length equals 2: payload.tags.length is missing"],
    ["toString", "not_equals", 1, "payload.toString does not equal 1: payload.toString is missing"],
  ])("%s %s %j does not hold", (field, operator, value, reason) => {
    expect(decide([{ field, operator, value }])).toEqual({ fires: false, reason });
  });

  test("exists and not_exists look at presence alone", () => {
    expect(decide([{ field: "none", operator: "exists" }])).toEqual({ fires: true });
    expect(decide([{ field: "nope", operator: "not_exists" }])).toEqual({ fires: true });
    expect(decide([{ field: "nope", operator: "exists" }])).toEqual({ fires: false, reason: "payload.nope is missing" });
    expect(decide([{ field: "level", operator: "not_exists" }])).toEqual({
      fires: false,
      reason: 'payload.level exists: it is "info"',
    });
  });

  test("all must hold, and the first that does not is named", () => {
    const first = { field: "level", operator: "equals", value: "info" };
    const second = { field: "count", operator: "gt", value: 9 };
    expect(decide([first, second])).toEqual({ fires: false, reason: "payload.count is greater than 9: it is 5" });
  });

  test("reasons stay short", () => {
    const decision = decide([{ field: "x".repeat(5000), operator: "exists" }]);
    expect(decision.fires || decision.reason.length).toBeLessThanOrEqual(300);
  });
});

describe("expressions", () => {
  test.each([
    ["{{ event.payload.count > 3 and event.payload.level == 'info' }}"],
    ["event.payload.count > 3"],
    ["payload.tags"],
    ["'a' in payload.tags and not payload.empty"],
  ])("%s holds", (expression) => {
    expect(decide({ expression })).toEqual({ fires: true });
  });

  test("what it saw is told", () => {
    expect(decide({ expression: "{{ payload.count > 9 or payload.level == 'x' }}" })).toEqual({
      fires: false,
      reason:
        "conditions: {{ payload.count > 9 or payload.level == 'x' }} is false: payload.count is 5, payload.level is \"info\"",
    });
    expect(decide({ expression: "payload.nope > 9" })).toEqual({
      fires: false,
      reason: "conditions: payload.nope > 9: payload.nope is missing",
    });
  });

  test("when is CEL, judged by truth", () => {
    expect(decide(null, 'payload.level == "info" && event.trigger_ref == "core.webhook"')).toEqual({ fires: true });
    expect(decide(null, "payload.tags")).toEqual({ fires: true });
    expect(decide(null, "payload.empty")).toEqual({ fires: false, reason: 'when: payload.empty is "": payload.empty is ""' });
    expect(decide(null, 'payload.level == "error"')).toEqual({
      fires: false,
      reason: 'when: payload.level == "error" is false: payload.level is "info"',
    });
  });

  test("when and conditions must both hold", () => {
    const holds = [{ field: "count", operator: "gt", value: 1 }];
    expect(decide(holds, "payload.count > 1").fires).toBe(true);
    expect(decide(holds, "payload.count > 9").fires).toBe(false);
    expect(decide([{ field: "count", operator: "gt", value: 9 }], "payload.count > 1").fires).toBe(false);
  });

  test("what can't be computed is an error, not a verdict", () => {
    expect(thrownBy(() => decide(null, "payload.level > 3"))).toMatchObject({ code: "EXPRESSION_FAILED" });
  });
});

describe("mistakes are found when the rule loads", () => {
  test.each<[Json, (string | number)[], string]>([
    [
      [
        { field: "a", operator: "equals", value: 1 },
        { field: "a", operator: "equels", value: 1 },
      ],
      ["conditions", 1, "operator"],
      "equels",
    ],
    [[{ field: "a", operator: "in", value: "x" }], ["conditions", 0, "value"], "must be a list"],
    [[{ field: "a", operator: "matches", value: "(" }], ["conditions", 0, "value"], "regular expression"],
    [[{ field: "a", operator: "gt", value: [1] }], ["conditions", 0, "value"], "number"],
    [[{ field: "a", operator: "equals" }], ["conditions", 0], "needs a value"],
    [[{ fields: "a", operator: "equals", value: 1 }], ["conditions", 0], "fields"],
    [[{ field: 5, operator: "equals", value: 1 }], ["conditions", 0, "field"], "string"],
    [[{ field: "a.__proto__.b", operator: "equals", value: 1 }], ["conditions", 0, "field"], "out of reach"],
    [["x"], ["conditions", 0], "object"],
    [{ when: "x" }, ["conditions"], "expression"],
    [{ expression: 5 }, ["conditions", "expression"], "string"],
    [{ expression: "{{ payload.x | upper }}" }, ["conditions", "expression"], "filters"],
    [{ expression: "frob(payload.x)" }, ["conditions", "expression"], "frob"],
    ["payload.x", ["conditions"], "list or an object"],
  ])("%j", (conditions, path, words) => {
    const error = mistake(conditions);
    expect(error).toMatchObject({ code: "EXPRESSION_INVALID", message: expect.stringContaining(words) });
    expect(spotOf(error)?.path).toEqual(path);
  });

  test("a misspelt operator names the nearest one", () => {
    expect(mistake([{ field: "a", operator: "equels", value: 1 }])).toMatchObject({ hint: "did you mean `equals`?" });
  });

  test("offsets count from the start of the text in the file, braces included", () => {
    expect(spotOf(mistake({ expression: "{{ payload.x | upper }}" }))?.offset).toBe(13);
    expect(spotOf(mistake(null, "payload.x == "))).toEqual({ path: ["when"], offset: 13 });
  });
});
