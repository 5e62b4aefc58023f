import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../src/core/plugin.ts";
import { checkTemplated, coerce, compileSchema, normaliseSchema } from "../../src/core/schema/schema.ts";
import { spotOf } from "../../src/core/spot.ts";
import { processorTime } from "../support/processor-time.ts";
import { thrownBy } from "../support/thrown.ts";

const flat = normaliseSchema(
  {
    seconds: { type: "integer", minimum: 0, default: 5 },
    url: { type: "string", format: "uri", required: true },
    tags: { type: "array", items: { type: "string" }, max_items: 3, uniqueItems: true },
    token: { type: "string", secret: true, minLength: 8 },
    mode: { enum: ["fast", "slow"], position: 3 },
    headers: { type: "object", properties: { host: { type: "string", required: true } }, default: { host: "x" } },
    code: { type: "string", pattern: "^[a-z]+$" },
    ratio: { type: ["number", "null"] },
    deep: { type: "boolean" },
  },
  "parameters",
);
const schema = compileSchema(flat);
const url = "http://example.com/";
const refusal = (values: JsonObject) => thrownBy(() => schema.check(values));

describe("normalising", () => {
  test("JSON Schema's wrapper becomes the flat form; unknown keys stay; legacy keys get their names", () => {
    const wrapped = {
      type: "object",
      properties: { a: { type: "string", key_ref: "x" }, b: { max_length: 3 } },
      required: ["a"],
    };
    expect(normaliseSchema(wrapped, "parameters")).toEqual({
      a: { type: "string", key_ref: "x", required: true },
      b: { maxLength: 3 },
    });
    expect(normaliseSchema({ type: { type: "string" } }, "parameters")).toEqual({ type: { type: "string" } });
    expect(normaliseSchema(null, "parameters")).toEqual({});
    expect(normaliseSchema({ type: "object" }, "output")).toEqual({});
  });

  test.each<[Json, (string | number)[], string]>([
    [[], [], "must be an object"],
    [{ a: "string" }, ["a"], "must be an object"],
    [{ a: { type: "strng" } }, ["a", "type"], "strng"],
    [{ a: { type: ["string", 5] } }, ["a", "type"], "name of a type"],
    [{ a: { required: "yes" } }, ["a", "required"], "true or false"],
    [{ a: { minimum: "1" } }, ["a", "minimum"], "number"],
    [{ a: { max_items: -1 } }, ["a", "max_items"], "whole number"],
    [{ a: { enum: [] } }, ["a", "enum"], "at least one"],
    [{ a: { pattern: "(" } }, ["a", "pattern"], "regular expression"],
    [{ a: { pattern: "(?=x)" } }, ["a", "pattern"], "regular expression"],
    [{ a: { patternProperties: { "(": {} } } }, ["a", "patternProperties", "("], "regular expression"],
    [{ a: { items: { type: "list" } } }, ["a", "items", "type"], "list"],
    [{ a: { items: { properties: { b: 5 } } } }, ["a", "items", "properties", "b"], "must be an object"],
    [{ a: { anyOf: [{}, { $ref: "#/x" }] } }, ["a", "anyOf", 1, "$ref"], "not supported"],
    [{ type: "object", properties: { a: {} }, required: ["b"] }, ["required", 0], "no property `b`"],
    [{ type: "object", properties: [] }, ["properties"], "must be an object"],
    [JSON.parse('{"__proto__": {"type": "string"}}'), ["__proto__"], "__proto__"],
    [{ a: { properties: { constructor: {} } } }, ["a", "properties", "constructor"], "constructor"],
  ])("%j is refused", (raw, path, words) => {
    const error = thrownBy(() => normaliseSchema(raw, "parameters"));
    expect(error).toMatchObject({ code: "PACK_INVALID", message: expect.stringContaining(words) });
    expect(spotOf(error)?.path).toEqual(path);
  });

  test("a type of another language is named in ours", () => {
    expect(thrownBy(() => normaliseSchema({ a: { type: "int" } }, "parameters"))).toMatchObject({
      message: "parameters.a.type: unknown type `int`",
      hint: "did you mean `integer`?",
    });
  });

  test.each<[string, Json]>([
    ["too large", { a: { description: "x".repeat(70_000) } }],
    ["too deep", JSON.parse(`{"a":${'{"items":'.repeat(2000)}{}${"}".repeat(2000)}}`)],
    ["of too many properties", Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`p${i}`, {}]))],
  ])("a schema %s is refused at once", async (_, raw) => {
    const spent = await processorTime(() =>
      expect(thrownBy(() => normaliseSchema(raw, "parameters"))).toMatchObject({ code: "PACK_INVALID" }),
    );
    expect(spent).toBeLessThan(200);
  });
});

describe("checking", () => {
  test("defaults stand in for what is missing or null; what was given is left as it was", () => {
    const given = Object.freeze({ url, seconds: null, tags: ["a"] });
    expect(schema.check(given)).toEqual({ url, seconds: 5, tags: ["a"], headers: { host: "x" } });
    expect(schema.check({ url, seconds: 0 })).toMatchObject({ seconds: 0 });
    const [first, second] = [schema.check({ url }), schema.check({ url })];
    expect(first["headers"]).not.toBe(second["headers"]);
  });

  test("null means left out, unless the type has null", () => {
    expect(schema.check({ url, deep: null, ratio: null })).toEqual({ url, ratio: null, seconds: 5, headers: { host: "x" } });
    expect(refusal({ url: null })).toMatchObject({ message: "url is required" });
  });

  test.each<[JsonObject, string]>([
    [{ seconds: "abc" }, 'seconds: must be integer, got "abc"'],
    [{ seconds: -1 }, "seconds: must be >= 0, got -1"],
    [{ url: "nope" }, 'url: must match format "uri", got "nope"'],
    [{ tags: ["a", 5] }, "tags[1]: must be string, got 5"],
    [{ tags: ["a", "a"] }, "tags: must not hold the same item twice, got a list of 2"],
    [{ tags: ["a", "b", "c", "d"] }, "tags: must NOT have more than 3 items, got a list of 4"],
    [{ mode: "fsat" }, 'mode: must be one of "fast", "slow", got "fsat"'],
    [{ headers: {} }, "headers.host is required"],
    [{ headers: { host: 1 } }, "headers.host: must be string, got 1"],
    [{ code: "A" }, 'code: must match pattern "^[a-z]+$", got "A"'],
    [{ deep: "true" }, 'deep: must be boolean, got "true"'],
    [{ second: 1 }, "unknown parameter `second`"],
    [{ toString: 1 }, "unknown parameter `toString`"],
  ])("%j", (values, message) => {
    expect(refusal({ url, ...values })).toMatchObject({ code: "PARAMETERS_INVALID", message });
  });

  test("all problems are told, and the nearest name", () => {
    expect(refusal({ secnods: 1, deep: 1 })).toMatchObject({
      message: "url is required; unknown parameter `secnods`; deep: must be boolean, got 1",
    });
    expect(refusal({ url, secnds: 1 })).toMatchObject({ hint: "did you mean `seconds`?" });
  });

  test("the value of a secret is never shown", () => {
    expect(schema.secrets).toEqual(["token"]);
    expect(refusal({ url, token: "hunter2" })).toMatchObject({ message: "token: must NOT have fewer than 8 characters" });
    expect(refusal({ url, token: 12345678 })).toMatchObject({ message: "token: must be string" });
    expect(
      thrownBy(() => coerce(normaliseSchema({ pin: { type: "integer", secret: true } }, "p"), { pin: "hunter2" })),
    ).toMatchObject({
      message: expect.not.stringContaining("hunter2"),
    });
  });

  test("an inherited name is neither given nor known", () => {
    const odd = compileSchema(normaliseSchema({ toString: { type: "string", required: true } }, "parameters"));
    expect(thrownBy(() => odd.check({}))).toMatchObject({ message: "toString is required" });
    expect(refusal(JSON.parse(`{"url": "${url}", "__proto__": {"seconds": 9}}`))).toMatchObject({ code: "PARAMETERS_INVALID" });
    expect(({} as JsonObject)["seconds"]).toBeUndefined();
  });

  test("an empty schema takes anything", () => {
    expect(compileSchema({}).check({ a: 1, b: [null] })).toEqual({ a: 1, b: [null] });
  });

  test("patterns, formats and uniqueItems take little time whatever the value", async () => {
    const hostile = compileSchema(
      normaliseSchema(
        {
          code: { type: "string", pattern: "^(a+)+$" },
          mail: { type: "string", format: "email" },
          link: { type: "string", format: "uri-template" },
          rule: { type: "string", format: "regex" },
          list: { type: "array", uniqueItems: true },
        },
        "parameters",
      ),
    );
    hostile.check({});
    const text = "a".repeat(100_000);
    const list = Array.from({ length: 50_000 }, (_, i) => ({ i }));
    const wrong = { code: `${text}!`, mail: text, link: "{a}".repeat(30_000), rule: "(a+)+".repeat(10_000) };
    const spent = await processorTime(() => {
      for (const [name, value] of Object.entries(wrong)) {
        expect(thrownBy(() => hostile.check({ [name]: value }))).toMatchObject({ code: "PARAMETERS_INVALID" });
      }
      expect(hostile.check({ code: text, list })).toHaveProperty("list");
      expect(thrownBy(() => hostile.check({ list: [...list, { i: 7 }] }))).toMatchObject({ code: "PARAMETERS_INVALID" });
    });
    expect(spent).toBeLessThan(1000);
  });

  test("patterns are RE2's", () => {
    const letters = compileSchema(normaliseSchema({ a: { type: "string", pattern: "^(?i)ab\\pL+\\z" } }, "parameters"));
    expect(letters.check({ a: "ABé" })).toEqual({ a: "ABé" });
    expect(thrownBy(() => letters.check({ a: "ab1" }))).toMatchObject({ code: "PARAMETERS_INVALID" });
  });

  test("the largest schema allowed compiles in reasonable time", async () => {
    const large = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`p${i}`, { type: "string", maxLength: 9 }]));
    const compiled = compileSchema(normaliseSchema(large, "parameters"));
    const spent = await processorTime(() =>
      expect(thrownBy(() => compiled.check({ p7: 1 }))).toMatchObject({ message: "p7: must be string, got 1" }),
    );
    expect(spent).toBeLessThan(1000);
  });

  test("the order of the parameters does not matter", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.keys(flat)), (names) => {
        const values: JsonObject = {
          url,
          seconds: 1,
          tags: ["a"],
          token: "12345678",
          mode: "fast",
          headers: { host: "h" },
          code: "a",
          ratio: 1,
          deep: true,
        };
        const given = Object.fromEntries(["url", ...names].map((name) => [name, values[name] ?? null]));
        expect(schema.check(given)).toMatchObject(given);
      }),
    );
  });
});

describe("action_params of rules", () => {
  test.each<[JsonObject]>([
    [{ url: "{{ payload.url }}", seconds: "{{ payload.s }}", tags: "{{ payload.tags }}" }],
    [{ url: "http://{{ payload.host }}/", tags: ["a", "{{ payload.b }}"], mode: "{{ x }}" }],
    [{ url, headers: { host: "{{ payload.h }}" }, code: "x{{ payload.c }}" }],
    [{ url, tags: ["{{ payload.a }}", "{{ payload.a }}"] }],
    [{ url, deep: true, ratio: null }],
  ])("%j passes", (params) => {
    expect(checkTemplated(flat, params)).toEqual([]);
  });

  test.each<[JsonObject, (string | number)[], string]>([
    [{ seconds: "{{ payload.s }}" }, [], "url is required"],
    [{ url, seconds: "5" }, ["seconds"], 'seconds: must be integer, got "5"'],
    [{ url, tags: ["{{ payload.a }}", 5] }, ["tags", 1], "tags[1]: must be string, got 5"],
    [{ url, headers: ["{{ payload.a }}"] }, ["headers"], "headers: must be object, got a list of 1"],
    [{ url, sceonds: "{{ payload.s }}" }, ["sceonds"], "unknown parameter `sceonds`"],
  ])("%j does not", (params, path, message) => {
    expect(checkTemplated(flat, params)).toMatchObject([{ message, path }]);
  });

  test("a choice between schemas is left to the event when a template takes part", () => {
    const choice = normaliseSchema({ x: { anyOf: [{ type: "integer" }, { properties: { n: { type: "integer" } } }] } }, "p");
    expect(checkTemplated(choice, { x: { n: "{{ payload.n }}" } })).toEqual([]);
    expect(checkTemplated(choice, { x: { n: "five" } })).not.toEqual([]);
  });

  test("what passes without a validator passes with one", () => {
    const plain = normaliseSchema(
      { a: { type: "string", required: true }, b: { type: "boolean" }, c: { type: "number", default: 1 } },
      "p",
    );
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom("a", "b", "c", "d"),
          fc.oneof(fc.string(), fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true })),
        ),
        (params) => {
          fc.pre(!JSON.stringify(params).includes("{{"));
          const values = params as JsonObject;
          expect(checkTemplated(plain, values).length === 0).toBe(
            thrownBy(() => compileSchema(plain).check(values)) === undefined,
          );
        },
      ),
    );
  });
});

describe("texts of the command line", () => {
  const typed = normaliseSchema(
    {
      i: { type: "integer" },
      n: { type: "number" },
      b: { type: "boolean" },
      a: { type: "array" },
      o: { type: "object" },
      s: { type: "string" },
      u: { type: ["string", "integer"] },
      any: {},
    },
    "parameters",
  );

  test("are read as the declared type", () => {
    const texts = { i: "-5", n: "1.5e3", b: "yes", a: "[1]", o: '{"x": 1}', s: "5", u: "7", any: "7", unknown: "x" };
    expect(coerce(typed, texts)).toEqual({ i: -5, n: 1500, b: true, a: [1], o: { x: 1 }, s: "5", u: 7, any: "7", unknown: "x" });
  });

  test.each([
    ["i", "1.5", 'i: must be integer, got "1.5"'],
    ["i", "9007199254740993", 'i: must be integer, got "9007199254740993"'],
    ["n", "", 'n: must be number, got ""'],
    ["n", "Infinity", 'n: must be number, got "Infinity"'],
    ["b", "maybe", 'b: must be true or false, got "maybe"'],
    ["a", '{"x": 1}', 'a: must be a JSON array such as ["a", 1], got an object'],
    ["o", "[", "o: must be a JSON object"],
  ])("%s=%s is refused", (name, text, message) => {
    expect(thrownBy(() => coerce(typed, { [name]: text }))).toMatchObject({
      code: "PARAMETERS_INVALID",
      message: expect.stringContaining(message),
    });
  });

  test("any JSON list comes through as it was written", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (list) => {
        const text = JSON.stringify(list);
        expect(coerce(typed, { a: text })).toEqual({ a: JSON.parse(text) });
      }),
    );
  });
});
