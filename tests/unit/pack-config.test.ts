import { expect, test } from "bun:test";
import { type ConfigLayers, layerConfig } from "../../src/core/pack-config.ts";
import type { FlatSchema } from "../../src/core/registry.ts";
import { createSeal } from "../../src/core/seal.ts";
import { thrownBy } from "../support/thrown.ts";

const schema: FlatSchema = {
  region: { type: "string", default: "eu" },
  retries: { type: "integer", minimum: 0 },
  token: { type: "string", required: true, secret: true },
};
const layers = (more: Partial<ConfigLayers> = {}): ConfigLayers => ({
  "pack.yaml": {},
  "attune.config.ts": {},
  set: {},
  ...more,
});

test("the strongest place that says something right about a key decides", () => {
  const config = layerConfig(
    schema,
    layers({
      "pack.yaml": { retries: 1 },
      "attune.config.ts": { retries: 2, token: "t" },
      set: { retries: "many", region: "us" },
    }),
  );
  expect(config.values).toEqual({ region: "us", retries: 2, token: "t" });
  expect(config.entries).toEqual([
    { key: "region", value: "us", origin: "set", secret: false, problem: null },
    {
      key: "retries",
      value: 2,
      origin: "attune.config.ts",
      secret: false,
      problem: 'set: retries: must be integer, got "many"',
    },
    { key: "token", value: "t", origin: "attune.config.ts", secret: true, problem: null },
  ]);
});

test("defaults fill in; what is required and missing, and what nothing knows, is said", () => {
  const config = layerConfig(schema, layers({ "pack.yaml": { regoin: "eu" } }));
  expect(config.values).toEqual({ region: "eu" });
  expect(Object.fromEntries(config.entries.map(({ key, problem }) => [key, problem]))).toEqual({
    region: null,
    regoin: "pack.yaml: unknown key regoin; did you mean region?",
    retries: null,
    token: "token is required",
  });
});

test("a pack without conf_schema takes any key, but none that leads into the engine", () => {
  const config = layerConfig({}, layers({ set: JSON.parse('{"a": [1], "__proto__": {"x": 1}}') }));
  expect(config.values).toEqual({ a: [1] });
  expect(layerConfig({}, layers()).revision).not.toBe(config.revision);
});

test("what was sealed opens with the same key under the same name only", () => {
  const seal = createSeal(Buffer.alloc(32, 1).toString("base64url"));
  const sealed = seal.close({ text: "hushed ü" }, "x");
  expect(sealed.toString("latin1")).not.toContain("hushed");
  expect(seal.open(sealed, "x")).toEqual({ text: "hushed ü" });
  expect(seal.close({ text: "hushed ü" }, "x")).not.toEqual(sealed);
  const changed = Buffer.from(sealed);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  const other = createSeal(Buffer.alloc(32, 2).toString("base64url"));
  for (const open of [
    () => seal.open(sealed, "y"),
    () => seal.open(changed, "x"),
    () => other.open(sealed, "x"),
    () => seal.open(Buffer.alloc(3), "x"),
  ])
    expect(thrownBy(open)).toMatchObject({ code: "SECRET_UNREADABLE" });
});

test("a part that is secret makes the whole value secret, and what was set as one stays one", () => {
  const deep: FlatSchema = { login: { type: "object", properties: { password: { type: "string", secret: true } } } };
  const set = { login: { user: "ada", password: "hush" }, gone: "hush", open: "seen" };
  const config = layerConfig({ ...deep, gone: { type: "string" }, open: {} }, layers({ set }), new Set(["gone"]));
  expect(config.entries.map(({ key, secret }) => [key, secret])).toEqual([
    ["gone", true],
    ["login", true],
    ["open", false],
  ]);
  expect(config.shown).toEqual({ login: "********", gone: "********", open: "seen" });
  expect(layerConfig({}, layers({ set }), new Set(["gone"])).shown).toMatchObject({ gone: "********" });
  // A weaker place that speaks instead was never secret.
  expect(layerConfig({}, layers({ "pack.yaml": { gone: "plain" } }), new Set(["gone"])).shown).toEqual({ gone: "plain" });
  const unfit = layerConfig({ gone: { type: "integer" } }, layers({ set: { gone: "hush" } }), new Set(["gone"]));
  expect(unfit.entries).toMatchObject([{ value: null, problem: "set: gone: must be integer" }]);
});
