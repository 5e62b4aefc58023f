import { describe, expect, test } from "bun:test";
import { deliver, document } from "../../src/core/executions/parameters.ts";
import type { JsonObject } from "../../src/core/plugin.ts";
import type { ParameterDelivery, ParameterFormat } from "../../src/core/registry.ts";
import { runCommand } from "../support/script.ts";
import { thrownBy } from "../support/thrown.ts";

const given = (delivery: ParameterDelivery, parameters: JsonObject, format: ParameterFormat = "json") =>
  deliver({ delivery, format, parameters: { password: { type: "string", secret: true } } }, parameters);

const values = { message: "hi", count: 3, on: true, tags: ["a"], none: null, "http-url": "x" };
const variables = {
  ATTUNE_ACTION_MESSAGE: "hi",
  ATTUNE_ACTION_COUNT: "3",
  ATTUNE_ACTION_ON: "true",
  ATTUNE_ACTION_TAGS: '["a"]',
  ATTUNE_ACTION_HTTP_URL: "x",
};

describe("delivery", () => {
  test("an action that states nothing gets one JSON line on stdin and variables", () => {
    expect(given("compat", values)).toEqual({ stdin: `${JSON.stringify(values)}\n`, file: null, env: variables });
    expect(given("compat", {})).toEqual({ stdin: "{}\n", file: null, env: {} });
  });

  test("by environment: variables, and how they were delivered", () => {
    const stated = { ATTUNE_PARAMETER_DELIVERY: "env", ATTUNE_PARAMETER_FORMAT: "json" };
    expect(given("env", values)).toEqual({ stdin: null, file: null, env: { ...stated, ...variables } });
  });

  test("by stdin and by file: the document only", () => {
    const env = (delivery: string) => ({ ATTUNE_PARAMETER_DELIVERY: delivery, ATTUNE_PARAMETER_FORMAT: "yaml" });
    expect(given("stdin", { a: 1 }, "yaml")).toEqual({ stdin: "a: 1\n", file: null, env: env("stdin") });
    expect(given("file", { a: 1 }, "yaml")).toEqual({ stdin: null, file: "a: 1\n", env: env("file") });
  });

  test.each(["compat", "env"] as const)("%s: what must or can't be a variable comes by stdin only", (delivery) => {
    const large = "ü".repeat(32 * 1024 + 1);
    const parameters = { password: "s3cret", large, fits: "x".repeat(64 * 1024), nul: "a\0b", plain: "p" };
    const { stdin, env } = given(delivery, parameters);
    expect(JSON.parse(stdin ?? "")).toEqual(parameters);
    expect(Object.keys(env).filter((name) => name.startsWith("ATTUNE_ACTION_"))).toEqual([
      "ATTUNE_ACTION_FITS",
      "ATTUNE_ACTION_PLAIN",
    ]);
  });

  test("all variables together have a limit that a process can still be started with", async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`value${i}`, "x".repeat(60_000)]));
    const { env } = given("compat", many);
    const total = Object.values(env).reduce((sum, text) => sum + text.length, 0);
    expect(total).toBeLessThanOrEqual(8 * 64 * 1024);
    expect(total).toBeGreaterThan(400_000);
    expect((await runCommand(["/bin/true"], { env: { ...env } })).code).toBe(0);
  });
});

describe("dotenv", () => {
  test("sorted lines; objects flattened, lists as JSON, null empty, an empty object no line", () => {
    const nested = { z: 1, b: { y: "q", x: { deep: true } }, a: [1, "two"], n: null, e: {} };
    expect(document(nested, "dotenv")).toBe(`a='[1,"two"]'\nb.x.deep='true'\nb.y='q'\nn=''\nz='1'\n`);
  });

  test("a shell reads back exactly what was given, and runs nothing of it", async () => {
    const hostile = "it's $(touch /tmp/x) `id` \"$HOME\" \\ '' \n second line";
    const { stdout } = await runCommand(["/bin/sh", "-c", '. /dev/stdin; printf %s "$value"'], {
      stdin: document({ value: hostile }, "dotenv"),
    });
    expect(stdout).toBe(hostile);
  });

  test.each(["a\nPATH", "a=b", "it's", 'a"b', "a\0"])("a key that would read as something else is refused: %j", (key) => {
    expect(thrownBy(() => document({ outer: { [key]: 1 } }, "dotenv"))).toMatchObject({ code: "PARAMETERS_INVALID" });
  });
});
