import { describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findConfig, resolveSettings } from "../../src/core/config.ts";
import type { Environment } from "../../src/core/environment.ts";
import { tempDir } from "../support/packs.ts";
import { thrownBy } from "../support/thrown.ts";

const file = "/srv/project/attune.config.ts";
const resolved = (config: unknown, env: Environment = {}) =>
  resolveSettings(config, { configFile: file, cwd: "/elsewhere", env });
const refused = (config: unknown, env: Environment = {}) => thrownBy(() => resolved(config, env));

test("without a config everything has its documented default, relative to the working directory", () => {
  const settings = resolveSettings({}, { configFile: null, cwd: "/work", env: {} });
  expect(settings).toMatchObject({
    projectDir: "/work",
    dataDir: "/work/.attune",
    packs: { directories: ["/work/packs"], autoLoad: null },
    plugins: { directories: ["/work/plugins"], use: [] },
    api: { host: "127.0.0.1", port: null, allowedHosts: [] },
    log: { level: "info", format: "auto" },
    databaseUrl: null,
    natsUrl: null,
    limits: { actionTimeout: 300, grace: 10, output: 10 * 1024 * 1024 },
  });
  expect(settings.limits.concurrency).toBeGreaterThanOrEqual(4);
});

test("paths are relative to the config file, and one directory may be given as text", () => {
  const settings = resolved({ dataDir: "state", packs: { directory: "p" }, plugins: { directory: ["a", "/b"] } });
  expect(settings.dataDir).toBe("/srv/project/state");
  expect(settings.packs.directories).toEqual(["/srv/project/p"]);
  expect(settings.plugins.directories).toEqual(["/srv/project/a", "/b"]);
});

describe("settings of packs", () => {
  const own = { max_action_timeout: 30, enable_debug_logging: true, region: "eu" };
  const expected = { maxActionTimeout: 30, debug: true, config: { region: "eu" } };

  test("are read from packs.config.<ref> and from the flat packs.<ref>", () => {
    const { packs } = resolved({ packs: { auto_load: ["a"], a: own, config: { b: own } } });
    expect(packs.autoLoad).toEqual(["a"]);
    expect(Object.fromEntries(packs.byPack)).toEqual({ a: expected, b: expected });
  });

  test("of a wrong type are refused with the path of the key", () => {
    expect(refused({ packs: { a: { max_action_timeout: "30" } } })).toMatchObject({
      code: "CONFIG_INVALID",
      message: 'packs.a.max_action_timeout must be a number from 1 to 9007199254740991, not "30"',
      at: { file },
    });
    expect(refused({ packs: { config: { b: { enable_debug_logging: 1 } } } })).toMatchObject({
      message: "packs.config.b.enable_debug_logging must be true or false, not 1",
    });
  });
});

test("the environment overrides the file, and an empty variable counts as none", () => {
  const config = { dataDir: "state", api: { host: "::1", port: 1 }, log: { level: "warn", format: "json" } };
  const env = {
    ATTUNE_DATA_DIR: "/data",
    ATTUNE_API_HOST: "0.0.0.0",
    ATTUNE_API_PORT: "9000",
    ATTUNE_LOG_LEVEL: "debug",
    ATTUNE_LOG_FORMAT: "pretty",
    DATABASE_URL: "postgres://db/x",
    NATS_URL: "nats://n:4222",
  };
  expect(resolved(config, env)).toMatchObject({
    dataDir: "/data",
    api: { host: "0.0.0.0", port: 9000 },
    log: { level: "debug", format: "pretty" },
    databaseUrl: "postgres://db/x",
    natsUrl: "nats://n:4222",
  });
  const empty = Object.fromEntries(Object.keys(env).map((name) => [name, ""]));
  expect(resolved(config, empty)).toMatchObject({
    dataDir: "/srv/project/state",
    api: { host: "::1", port: 1 },
    log: { level: "warn", format: "json" },
    databaseUrl: null,
    natsUrl: null,
  });
});

test("an unknown key is refused with the nearest known one", () => {
  expect(refused({ limits: { concurency: 3 } })).toMatchObject({
    code: "CONFIG_INVALID",
    message: "unknown key limits.concurency",
    hint: "did you mean concurrency?",
    at: { file },
  });
  expect(refused({ xyzzy: 1 })).toMatchObject({
    message: "unknown key xyzzy",
    hint: expect.stringContaining("known keys: dataDir, packs"),
  });
});

test.each([
  ["dataDir must be text, not 5", { dataDir: 5 }],
  ["the config must be an object, not null", null],
  ["the config must be an object, not a list", []],
  ["packs.directory must be text or a list of texts, not a list", { packs: { directory: [1] } }],
  ["api.port must be a whole number from 0 to 65535, not 70000", { api: { port: 70_000 } }],
  ["limits.concurrency must be a whole number from 1 to 1000, not 1.5", { limits: { concurrency: 1.5 } }],
  ["limits.grace must be a number from 0 to 3600, not NaN", { limits: { grace: Number.NaN } }],
  ['log.level must be one of debug, info, warn, error, not "loud"', { log: { level: "loud" } }],
  ["storage must be a storage plugin, such as postgres(), not an object", { storage: { kind: "transport" } }],
  ["transport must be a transport plugin, such as nats(), not a function", { transport: () => {} }],
  ['plugins.use must be a list of plugins, not "x"', { plugins: { use: "x" } }],
  [
    "plugins.use[0] must be the name of an npm package, or a plugin of kind runtime or hooks with a name, not null",
    { plugins: { use: [null] } },
  ],
  [
    'plugins.use[0] must be the name of an npm package, or a plugin of kind runtime or hooks with a name, not "storage"',
    { plugins: { use: [{ kind: "storage", name: "x", api: 1 }] } },
  ],
  ["plugins.use[0].api must be 1, not 2", { plugins: { use: [{ kind: "hooks", name: "x", api: 2, hooks: {} }] } }],
])("%s", (message, config) => {
  expect(refused(config)).toMatchObject({ code: "CONFIG_INVALID", message });
});

test.each([
  ['ATTUNE_API_PORT must be a whole number from 0 to 65535, not "abc"', { ATTUNE_API_PORT: "abc" }],
  ['ATTUNE_API_PORT must be a whole number from 0 to 65535, not "0x50"', { ATTUNE_API_PORT: "0x50" }],
  ['ATTUNE_LOG_LEVEL must be one of debug, info, warn, error, not "loud"', { ATTUNE_LOG_LEVEL: "loud" }],
])("a variable is refused by its own name: %s", (message, env) => {
  expect(refused({}, env)).toMatchObject({ code: "CONFIG_INVALID", message });
});

describe("the config file", () => {
  test("is the named one, then ATTUNE_CONFIG, then the nearest in the working directory and its parents", () => {
    using dir = tempDir("config");
    const inner = join(dir.path, "a/b");
    mkdirSync(inner, { recursive: true });
    for (const name of ["named.ts", "variable.ts"]) writeFileSync(join(dir.path, name), "");
    const find = (explicit: string | undefined, env: Environment = {}) => findConfig({ explicit, cwd: inner, env });

    expect(find(undefined)).toBeNull();
    writeFileSync(join(dir.path, "attune.config.ts"), "");
    expect(find(undefined)).toBe(join(dir.path, "attune.config.ts"));
    writeFileSync(join(inner, "attune.config.ts"), "");
    expect(find(undefined)).toBe(join(inner, "attune.config.ts"));
    expect(find(undefined, { ATTUNE_CONFIG: "../../variable.ts" })).toBe(join(dir.path, "variable.ts"));
    expect(find("../../named.ts", { ATTUNE_CONFIG: "../../variable.ts" })).toBe(join(dir.path, "named.ts"));
  });

  test("that was named but is not there is an error, not a fallback", () => {
    expect(thrownBy(() => findConfig({ explicit: "gone.ts", cwd: "/", env: {} }))).toMatchObject({
      code: "CONFIG_INVALID",
      message: "the config file /gone.ts does not exist",
    });
  });
});
