import { expect, test } from "bun:test";
import { baseEnvironment, variableName, withLaunchEnvironment } from "../../src/core/environment.ts";

test("children get the listed variables, LC_* and what the config passes on, and nothing else", () => {
  const daemon = {
    PATH: "/bin",
    HOME: "/root",
    LC_ALL: "C",
    HTTPS_PROXY: "http://proxy",
    MY_TOKEN: "t",
    DATABASE_URL: "postgres://secret",
    BUN_OPTIONS: "--preload evil",
    LD_PRELOAD: "evil.so",
    NODE_OPTIONS: "--require evil",
    EMPTY: undefined,
  };
  expect(baseEnvironment(daemon, ["MY_TOKEN", "EMPTY", "UNSET"])).toEqual({
    PATH: "/bin",
    HOME: "/root",
    LC_ALL: "C",
    HTTPS_PROXY: "http://proxy",
    MY_TOKEN: "t",
  });
});

test("a daemon without PATH still gives its children one", () => {
  expect(baseEnvironment({}, [])["PATH"]).toContain("/usr/bin");
});

test("a launch may set its own variables but not those of the core", () => {
  const base = { PATH: "/bin", ATTUNE_API_URL: "http://here" };
  expect(withLaunchEnvironment(base, { PATH: "/opt/bin", X: "1", ATTUNE_API_URL: "http://evil" })).toEqual({
    PATH: "/opt/bin",
    X: "1",
    ATTUNE_API_URL: "http://here",
  });
  expect(withLaunchEnvironment(base)).toEqual(base);
});

test("a key becomes part of a variable's name", () => {
  expect(variableName("http-request.timeout")).toBe("HTTP_REQUEST_TIMEOUT");
  expect(variableName("é b")).toBe("__B");
});
