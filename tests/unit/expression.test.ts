import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileExpression, type Outcome } from "../../src/core/events/expression.ts";
import { toCel } from "../../src/core/events/translate.ts";
import type { Json, JsonObject } from "../../src/core/plugin.ts";
import { spotOf } from "../../src/core/spot.ts";
import { processorTime } from "../support/processor-time.ts";
import { thrownBy } from "../support/thrown.ts";

const payload = JSON.parse(
  `{"text": "abc", "five": 5, "half": 0.5, "yes": true, "none": null, "list": [1, 2, 3], "mixed": [1, "a", null],
    "nested": {"constructor": "own", "a": 1}, "__proto__": {"polluted": true}, "index": 1}`,
) as JsonObject;

function outcome(source: string, scope: JsonObject = { payload, event: { payload } }): Outcome {
  return compileExpression(source).outcome(scope);
}
function evaluate(source: string, value: JsonObject = payload): Json {
  return compileExpression(source).evaluate({ payload: value, event: { payload: value } });
}

describe("values", () => {
  test.each([
    ["payload.five + 1", 6],
    ["1 + payload.half", 1.5],
    ["payload.five % 2", 1],
    ["7 % payload.five", 2],
    ["payload.five / 2", 2.5],
    ["5 / 2", 2],
    ["payload.list.map(x, x * 2)", [2, 4, 6]],
    ["payload.five > 3 && payload.half < 1", true],
    ["payload.five in [1, 5]", true],
    ['"b" in payload.text', true],
    ['payload.five == "5"', false],
    ["payload.none == null", true],
    ["payload.list[payload.index]", 2],
    ["payload.list == [1, 2, 3]", true],
    ["payload.mixed", [1, "a", null]],
    ['[1, "a"]', [1, "a"]],
    ['{"a": payload.five}', { a: 5 }],
    ["size(payload.list) > 2.5", true],
    ['timestamp("2026-01-01T00:00:00Z")', "2026-01-01T00:00:00.000Z"],
    ['duration("90s")', "90s"],
    ["has(payload.nope)", false],
    ['lower("ABC")', "abc"],
    ["at(payload.list, -1)", 3],
    ["max(payload.list)", 3],
  ])("%s", (source, expected) => {
    expect(evaluate(source)).toEqual(expected as Json);
  });

  test("whole numbers beyond what JSON holds exactly are an error, not a wrong number", () => {
    expect(evaluate("9007199254740991")).toBe(9007199254740991);
    expect(thrownBy(() => evaluate("9007199254740993"))).toMatchObject({ code: "EXPRESSION_FAILED" });
  });

  test.each([
    ["payload.nope", "payload.nope"],
    ["payload.nope.deeper == 1", "payload.nope"],
    ["payload.none.deeper", "payload.none.deeper"],
    ["payload.list[9] > 1", "payload.list[9]"],
    ["payload.text.length", "payload.text.length"],
    ["at(payload.list, -4)", "at(payload.list, -4)"],
  ])("%s is missing, and null", (source, missing) => {
    expect(outcome(source)).toEqual({ missing });
    expect(evaluate(source)).toBeNull();
  });

  test("a wrong type is a failure that shows the expression", () => {
    expect(thrownBy(() => evaluate("payload.text > 3"))).toMatchObject({
      code: "EXPRESSION_FAILED",
      message: expect.stringContaining("payload.text > 3"),
    });
  });

  test("numbers compute as in JavaScript, whatever mix of literals and payload", () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.double({ noNaN: true, min: -1e6, max: 1e6 }), (a, b) => {
        expect(evaluate("payload.a + payload.b", { a, b })).toBe(a + b);
        expect(evaluate(`payload.b * ${a}`, { b })).toBe(b * a);
        expect(evaluate(`payload.b < ${a}`, { b })).toBe(b < a);
        expect(evaluate(`${a} == payload.a`, { a })).toBe(true);
      }),
    );
  });
});

describe("what can't be compiled", () => {
  test.each([
    ["payload.a ==", 12, "ends too early"],
    ["paylod.a == 1", 0, "paylod"],
    ["payload.a ==\n  frob", 15, "frob"],
    ['payload.text.matches("(")', 21, "regular expression"],
    ["payload.a.frob()", 0, "frob"],
    ["payload.__proto__", 8, "__proto__"],
    ['payload["constructor"]', 0, "constructor"],
    ["has(payload.prototype)", 12, "prototype"],
    ["cel.bind(a, [1, 1], a + a)", 0, "cel.bind"],
  ])("%s names offset %i and %s", (source, offset, words) => {
    const error = thrownBy(() => compileExpression(source));
    expect(error).toMatchObject({ code: "EXPRESSION_INVALID", message: expect.stringContaining(words) });
    expect(spotOf(error)).toEqual({ path: [], offset });
  });

  test.each([
    ["long", `payload.a == "${"x".repeat(5000)}"`],
    ["deep", `${"(".repeat(1000)}1${")".repeat(1000)}`],
    ["of many parts", Array(300).fill("payload.a").join(" + ")],
    ["all signs", `${"!".repeat(4000)}true`],
  ])("a %s expression is refused", (_, source) => {
    expect(thrownBy(() => compileExpression(source))).toMatchObject({ code: "EXPRESSION_INVALID" });
  });

  test("whatever the text, it compiles or is EXPRESSION_INVALID", () => {
    const words = fc.constantFrom(
      "payload",
      ".",
      "a",
      "(",
      ")",
      "[",
      "]",
      "&&",
      "==",
      "1",
      '"x"',
      "!",
      "?",
      ":",
      "map",
      ",",
      "in",
      "{",
      "}",
      "'",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 12 }), fc.constantFrom("", " "), (parts, glue) => {
        const error = thrownBy(() => compileExpression(parts.join(glue)));
        if (error !== undefined) expect(error).toMatchObject({ code: "EXPRESSION_INVALID" });
      }),
      { numRuns: 2000 },
    );
  });
});

describe("hostile payloads", () => {
  test("nothing inherited is reachable", () => {
    for (const key of ["toString", "hasOwnProperty", "valueOf"]) {
      expect(outcome(`payload.${key}`)).toHaveProperty("missing");
      expect(evaluate(`"${key}" in payload`)).toBe(false);
    }
    expect(outcome('payload["con" + "structor"]')).toHaveProperty("missing");
    expect(outcome('payload.text["con" + "structor"]')).toHaveProperty("missing");
  });

  test("an object with its own `constructor` key is an object like any other", () => {
    expect(evaluate("payload.nested.a == 1")).toBe(true);
    expect(evaluate("payload.list.exists(x, x == 2) && payload.nested.a > 0")).toBe(true);
  });

  test("a catastrophic pattern is answered at once, and rightly", async () => {
    const text = `${"a".repeat(50_000)}b`;
    const spent = await processorTime(() => {
      expect(evaluate('payload.text.matches("(a+)+$")', { text })).toBe(false);
      expect(evaluate('matches(payload.text, "(a+)+b$")', { text })).toBe(true);
    });
    expect(spent).toBeLessThan(500);
  });

  test.each([
    ["loops in loops", "payload.list.all(a, payload.list.all(b, payload.list.all(c, a + b + c > 0)))"],
    ["loops over nothing in loops", "payload.list.all(a, payload.list.all(b, [].all(c, false)))"],
    ["growing lists", "size(payload.list.map(a, payload.list + [a])) > 0"],
    ["patterns in loops", 'payload.list.exists(a, payload.text.matches("(x+x+)+y"))'],
  ])("%s over a large list end with an error", async (_, source) => {
    const list = Array.from({ length: 20_000 }, (_, i) => i + 1);
    const spent = await processorTime(() => {
      const error = thrownBy(() => evaluate(source, { list, text: "x".repeat(100_000) }));
      expect(error).toMatchObject({ code: "EXPRESSION_FAILED", message: expect.stringContaining("too many items") });
    });
    expect(spent).toBeLessThan(1000);
    expect(evaluate("payload.list.exists(a, a == 20000)", { list })).toBe(true);
  });

  test("texts can't be multiplied into gigabytes", () => {
    const list = Array(2000).fill("x");
    const text = "y".repeat(100_000);
    for (const source of [
      "payload.list.join(payload.text)",
      "join(payload.list, payload.text)",
      'replace(payload.text, "y", payload.text)',
    ]) {
      expect(thrownBy(() => evaluate(source, { list, text }))).toMatchObject({ code: "EXPRESSION_FAILED" });
    }
  });
});

describe("the contract's language", () => {
  test.each([
    ["event.payload.five > 3 and not event.payload.yes", false],
    ["payload.five and payload.text", true],
    ["payload.none or payload.list", true],
    ["not payload.none", true],
    ["4 not in payload.list", true],
    ["payload.list[-1] == 3", true],
    ["payload.none == None and payload.yes == True", true],
    ["contains(payload.text, 'b') and starts_with(payload.text, 'a')", true],
    ["length(payload.list) == 3 or payload.nope", true],
    ["(payload.five - 1) * 2 == 8", true],
    ["payload.list.exists(x, x > 1 and x < 3)", true],
    ["payload.yes ? payload.five == 5 : false", true],
    ["lower('ABC') in ['abc']", true],
    ["payload.five - (2 - 1) == 4", true],
    [`payload.text == "it's and 'or'"`, false],
  ])("%s", (source, expected) => {
    expect(evaluate(`truthy(${toCel(source)})`)).toBe(expected);
  });

  test.each([
    ["'a' if payload.x else 'b'", 4, "if"],
    ["payload.x | upper", 10, "filters"],
    ["1 < payload.x < 3", 14, "chained"],
    ["payload.x and", 13, "too early"],
    ["payload.x == 'open", 13, "quote"],
    ["payload.x is null", 10, "is"],
    ["[x for x in payload.list]", 3, "for"],
    ["(".repeat(200), 32, "deep"],
  ])("%s has no translation", (source, offset, words) => {
    const error = thrownBy(() => toCel(source));
    expect(error).toMatchObject({ code: "EXPRESSION_INVALID", message: expect.stringContaining(words) });
    expect(spotOf(error)?.offset).toBe(offset);
  });

  test("and, or, not have the truth of JavaScript's operators, however nested", () => {
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom("payload.yes", "payload.none", "payload.five", "payload.five == 4", "payload.list"),
        fc.tuple(tie("tree"), fc.constantFrom("and", "or"), tie("tree")).map(([a, word, b]) => `(${a} ${word} ${b})`),
        tie("tree").map((inner) => `not ${inner}`),
      ),
    }));
    fc.assert(
      fc.property(tree, (source) => {
        const script = source
          .replaceAll("and", "&&")
          .replaceAll("or", "||")
          .replaceAll("not", "!")
          .replaceAll("payload.five == 4", "false");
        const wanted = Boolean(new Function("payload", `return ${script}`)(payload));
        expect(evaluate(`truthy(${toCel(source)})`)).toBe(wanted);
      }),
    );
  });
});
