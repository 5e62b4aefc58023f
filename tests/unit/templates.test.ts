import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileTemplates } from "../../src/core/events/templates.ts";
import type { Json, JsonObject } from "../../src/core/plugin.ts";
import type { EventView, RenderContext } from "../../src/core/registry.ts";
import { spotOf } from "../../src/core/spot.ts";
import { thrownBy } from "../support/thrown.ts";

const event: EventView = {
  id: "0198",
  trigger: "core.webhook",
  created: "2026-01-01T00:00:00Z",
  payload: { host: "web-1", count: 5, "user-name": "ann", items: [{ n: 1 }, { n: 2 }], none: null, code: "{{ event.id }}" },
};
const context: RenderContext = {
  packConfig: { url: "http://x", nested: { a: [1] } },
  timestamp: "2026-02-02T00:00:00Z",
  rule: { id: 7, ref: "p.rule" },
};
const render = (params: JsonObject, of = event) => compileTemplates(params)(of, context);
const renderOne = (template: string, of = event) => render({ value: template }, of)["value"];

test.each<[string, Json]>([
  ["{{ event.payload.host }}", "web-1"],
  ["{{event.payload.count}}", 5],
  ["{{ payload.items }}", [{ n: 1 }, { n: 2 }]],
  ["{{ payload.items.1.n }}", 2],
  ["{{ payload.items[0].n }}", 1],
  ["{{ payload.user-name }}", "ann"],
  ["{{ trigger.payload.host }}", "web-1"],
  ["{{ event.id }}", "0198"],
  ["{{ event.trigger }}", "core.webhook"],
  ["{{ event.trigger_ref }}", "core.webhook"],
  ["{{ event.created }}", "2026-01-01T00:00:00Z"],
  ["{{ pack.config.url }}", "http://x"],
  ["{{ pack.config.nested.a.0 }}", 1],
  ["{{ system.timestamp }}", "2026-02-02T00:00:00Z"],
  ["{{ system.rule.id }}", 7],
  ["{{ system.rule }}", { id: 7, ref: "p.rule" }],
  ["{{ payload.nope.deeper }}", null],
  ["{{ payload.items.9.n }}", null],
  ["{{ payload.items.length }}", null],
  ["{{ payload.toString }}", null],
  ["{{ payload.none }}", null],
  ["{{ payload.count * 2 }}", 10],
  ["{{ payload.nope + 1 }}", null],
  ['{{ payload.count > 3 ? "many" : "few" }}', "many"],
  ["{{ upper(payload.host) }}", "WEB-1"],
  ['{{ {"a": {"b": payload.count}} }}', { a: { b: 5 } }],
  ['{{ "}}" }}', "}}"],
  ['{{ "a\\"}}" }}', 'a"}}'],
  ["{{ true }}", true],
  ["on {{ payload.host }}: {{ payload.count }}", "on web-1: 5"],
  ["[{{ payload.nope }}{{ payload.none }}]", "[]"],
  ["items={{ payload.items }}", 'items=[{"n":1},{"n":2}]'],
  ["{{ payload.host }} ", "web-1 "],
  ["it's {{ payload.host }}'s }}", "it's web-1's }}"],
  ["plain", "plain"],
])("%s", (template, expected) => {
  expect(renderOne(template)).toEqual(expected);
});

test("objects and lists are rendered at any depth, in their order, and keys are left alone", () => {
  const rendered = render({ b: [{ "{{ event.id }}": "{{ event.id }}" }, 1], a: { x: "{{ payload.count }}", y: true } });
  expect(rendered).toEqual({ b: [{ "{{ event.id }}": "0198" }, 1], a: { x: 5, y: true } });
  expect(Object.keys(rendered)).toEqual(["b", "a"]);
});

test("what a template yields is never a template", () => {
  expect(renderOne("{{ payload.code }}")).toBe("{{ event.id }}");
  expect(renderOne("x{{ payload.code }}")).toBe("x{{ event.id }}");
});

test("any text from outside comes out as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.jsonValue(), (text, json) => {
      const of = { ...event, payload: { text, json: json as Json } };
      expect(renderOne("{{ payload.text }}", of)).toBe(text);
      expect(renderOne("<{{ payload.text }}>", of)).toBe(`<${text}>`);
      expect(renderOne("{{ payload.json }}", of)).toEqual(json as Json);
    }),
  );
});

test("without templates the same frozen value serves every event", () => {
  const constant = compileTemplates({ a: [1, { b: "x" }] });
  expect(constant(event, context)).toBe(constant({ ...event, id: "other" }, context));
  expect(Object.isFrozen(constant(event, context)["a"])).toBe(true);
});

describe("mistakes are found when the rule loads", () => {
  test.each<[JsonObject, (string | number)[], number | undefined, string]>([
    [{ a: ["ok", "x {{ payload.y"] }, ["a", 1], 2, "without its"],
    [{ a: { b: "{{ }}" } }, ["a", "b"], 0, "empty"],
    [{ a: "at {{ event.paylod.x }}" }, ["a"], 6, "event.paylod.x"],
    [{ a: "{{ nope.x }}" }, ["a"], 3, "nope"],
    [{ a: "{{ payload.x + }}" }, ["a"], 14, "ends too early"],
    [{ a: "{{ payload.__proto__.x }}" }, ["a"], 3, "out of reach"],
    [{ a: "{{ payload.constructor }}" }, ["a"], 3, "out of reach"],
    [{ a: "{{ constructor.constructor('return 1')() }}" }, ["a"], undefined, ""],
    [{ a: `{{ ${"x".repeat(1_000_000)} }}` }, ["a"], undefined, "longer"],
  ])("number %#", (params, path, offset, words) => {
    const error = thrownBy(() => compileTemplates(params));
    expect(error).toMatchObject({ code: "EXPRESSION_INVALID", message: expect.stringContaining(words) });
    expect(spotOf(error)?.path).toEqual(path);
    if (offset !== undefined) expect(spotOf(error)?.offset).toBe(offset);
  });

  test("a misspelt source names the nearest one", () => {
    expect(thrownBy(() => compileTemplates({ a: "{{ event.paylod.x }}" }))).toMatchObject({
      hint: "did you mean `event.payload`?",
    });
  });
});

test("a result of more than a megabyte is refused, however it comes together", () => {
  const of = { ...event, payload: { text: "x".repeat(500_000), list: Array(100_000).fill("abc") } };
  expect(thrownBy(() => renderOne("{{ payload.text }}".repeat(3), of))).toMatchObject({ code: "EXPRESSION_FAILED" });
  const many = Object.fromEntries(Array.from({ length: 3 }, (_, i) => [`p${i}`, "{{ payload.list }}"]));
  expect(thrownBy(() => render(many, of))).toMatchObject({ code: "EXPRESSION_FAILED" });
  expect(renderOne("{{ payload.list }}", of)).toHaveLength(100_000);
});

test("an expression that fails names itself", () => {
  expect(thrownBy(() => renderOne("{{ payload.host * 2 }}"))).toMatchObject({
    code: "EXPRESSION_FAILED",
    message: expect.stringContaining("payload.host * 2"),
  });
});
