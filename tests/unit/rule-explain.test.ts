import { describe, expect, test } from "bun:test";
import { compileConditions, compileDecision } from "../../src/core/events/conditions.ts";
import type { Json } from "../../src/core/plugin.ts";
import type { EventView } from "../../src/core/registry.ts";

const event: EventView = {
  id: "0198",
  trigger: "lab.t",
  created: "2026-01-01T00:00:00Z",
  payload: { level: "info", count: 5, none: null, tags: ["a"] },
};
const report = (conditions: Json, when: string | null = null) =>
  compileConditions({ when, conditions }).map((condition) => condition.report(event));

describe("of each entry of a list", () => {
  test("path, operator, expected and actual value and the outcome are told, also behind one that fails", () => {
    expect(
      report([
        { field: "level", operator: "equals", value: "error" },
        { field: "event.payload.count", operator: "gt", value: 3 },
        { field: "none", operator: "equals", value: null },
        { field: "gone.deep", operator: "in", value: [1] },
        { field: "gone", operator: "not_exists" },
        { field: "tags", operator: "not_exists", value: 1 },
      ]),
    ).toEqual([
      {
        kind: "comparison",
        path: "payload.level",
        operator: "equals",
        expected: "error",
        actual: "info",
        outcome: "fails",
        reason: 'payload.level equals "error": it is "info"',
      },
      {
        kind: "comparison",
        path: "event.payload.count",
        operator: "gt",
        expected: 3,
        actual: 5,
        outcome: "holds",
        reason: null,
      },
      {
        kind: "comparison",
        path: "payload.none",
        operator: "equals",
        expected: null,
        actual: null,
        outcome: "holds",
        reason: null,
      },
      {
        kind: "comparison",
        path: "payload.gone.deep",
        operator: "in",
        expected: [1],
        actual: undefined,
        outcome: "fails",
        reason: "payload.gone.deep is in [1]: payload.gone.deep is missing",
      },
      {
        kind: "comparison",
        path: "payload.gone",
        operator: "not_exists",
        expected: undefined,
        actual: undefined,
        outcome: "holds",
        reason: null,
      },
      {
        kind: "comparison",
        path: "payload.tags",
        operator: "not_exists",
        expected: undefined,
        actual: ["a"],
        outcome: "fails",
        reason: "payload.tags exists: it is a list of 1",
      },
    ]);
  });
});

describe("of an expression", () => {
  const [reads] = [[{ path: "payload.count", value: 5 }]];

  test("its value and those of the paths it reads are told", () => {
    expect(report(null, "payload.count + 1")).toEqual([
      { kind: "expression", from: "when", expression: "payload.count + 1", reads, value: 6, outcome: "holds", reason: null },
    ]);
    expect(report({ expression: "{{ event.payload.count > 7 and not false }}" })).toEqual([
      {
        kind: "expression",
        from: "conditions",
        expression: "{{ event.payload.count > 7 and not false }}",
        reads: [{ path: "event.payload.count", value: 5 }],
        value: false,
        outcome: "fails",
        reason: "conditions: {{ event.payload.count > 7 and not false }} is false: event.payload.count is 5",
      },
    ]);
  });

  test("a missing part fails, and what can't be evaluated is told and not thrown", () => {
    expect(report(null, "payload.gone > 1")).toMatchObject([
      {
        reads: [{ path: "payload.gone", value: undefined }],
        value: null,
        outcome: "fails",
        reason: "when: payload.gone > 1: payload.gone is missing",
      },
    ]);
    expect(report(null, "payload.level > 1")).toMatchObject([{ value: null, outcome: "error" }]);
  });
});

test("what is reported agrees with what is decided", () => {
  const conditions: Json = [
    { field: "count", operator: "gte", value: 5 },
    { field: "level", operator: "matches", value: "^e" },
  ];
  const [when, first, second] = report(conditions, "payload.count == 5");
  expect([when?.outcome, first?.outcome, second?.outcome]).toEqual(["holds", "holds", "fails"]);
  const decision = compileDecision({ when: "payload.count == 5", conditions })(event);
  expect(decision).toEqual({ fires: false, reason: second?.reason ?? "" });
});
