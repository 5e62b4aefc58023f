import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { createApp } from "../../src/api/app.ts";
import { publicPaths } from "../../src/api/guard.ts";
import { silentLogger } from "../../src/core/log.ts";
import { createEngine, startTestApi, type TestApi, token } from "../support/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ allowedHosts: ["attune.example"] });
});
afterAll(() => api[Symbol.asyncDispose]());

const app = createApp({
  services: createEngine().services,
  guard: { token, hosts: new Set(["localhost"]) },
  streams: { log: silentLogger, stopping: new AbortController().signal },
  log: silentLogger,
});
const call = (method: string, path: string, headers: Record<string, string> = {}) =>
  app.fetch(new Request(`http://localhost${path}`, { method, headers: { host: "localhost", ...headers } }));
const routes = app.routes.filter((route) => route.method !== "ALL");

describe("the token", () => {
  test("is needed by every route but the public list, and that list is what is served without it", async () => {
    const open = new Set<string>();
    for (const { method, path } of routes) {
      const status = (await call(method, path.replaceAll(/:\w+/g, "x"))).status;
      if (status !== 401) open.add(path);
    }
    expect([...open].sort()).toEqual(["/health", "/health/live", "/health/ready", "/healthz", "/readyz"]);
    expect([...publicPaths].sort()).toEqual([...open].sort());
    expect(routes.length).toBeGreaterThan(30);
  });

  test.each([
    "/api/v1/packs/healthz",
    "/api/v1/actions/health/ready",
    "/api/v1/rules/readyz",
    "/health/",
    "/health/../api/v1/status",
    "//health",
    "/HEALTH",
    "/health.",
    "/health%2fready",
    "/health;x",
    "/health/live/x",
    "/nothing",
    "/",
  ])("is needed for %s", async (path) => {
    expect((await call("GET", path)).status).toBe(401);
  });

  test("is needed whatever the method or override headers say", async () => {
    for (const method of ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST"])
      expect((await call(method, "/api/v1/status")).status).toBe(401);
    expect((await call("POST", "/health")).status).toBe(401);
    const tricks = { "x-http-method-override": "GET", "x-original-url": "/health", "x-rewrite-url": "/health" };
    expect((await call("GET", "/api/v1/status", tricks)).status).toBe(401);
  });

  test.each([
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Basic ${token}`,
    token,
    "Bearer ",
    `Bearer ${token} ${token}`,
    "Bearer é",
  ])("%p is refused", async (authorization) => {
    const response = await call("GET", "/api/v1/status", { authorization });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
    expect(await response.json()).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test("opens the API, where an unknown path is 404", async () => {
    expect((await api.request("/api/v1/status")).status).toBe(200);
    const unknown = await api.request("/api/v1/nothing");
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ code: "NOT_FOUND" });
    expect((await fetch(`${api.url}/api/v1/nothing`)).status).toBe(401);
  });
});

describe("Host and Origin", () => {
  /** fetch does not let a test choose these headers freely. */
  async function statusOf(headers: string[]): Promise<number> {
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    const text = Promise.withResolvers<string>();
    socket.once("data", (data) => text.resolve(data.toString()));
    socket.once("error", text.reject);
    socket.write(
      `${["GET /api/v1/status HTTP/1.1", `Authorization: Bearer ${token}`, "Connection: close", ...headers].join("\r\n")}\r\n\r\n`,
    );
    const status = Number((await text.promise).split(" ")[1]);
    socket.destroy();
    return status;
  }

  test.each(["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:99", "[::1]:8080", "attune.example"])(
    "host %s is served",
    async (host) => {
      expect(await statusOf([`Host: ${host}`])).toBe(200);
    },
  );
  test.each([
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "localhost@evil.example",
    "attune.example.evil.example",
    "localhost:",
    "2130706433",
  ])("host %s is refused", async (host) => {
    expect(await statusOf([`Host: ${host}`])).toBe(421);
  });

  test("a foreign origin is refused, the server's own is served, and no answer allows one", async () => {
    for (const origin of [
      "null",
      "http://evil.example",
      "http://localhost",
      "http://localhost:8080.evil.example",
      "http://localhost:8081",
      "file://",
      "",
    ]) {
      expect([origin, await statusOf(["Host: localhost:8080", `Origin: ${origin}`])]).toEqual([origin, 403]);
    }
    expect(await statusOf(["Host: localhost:8080", "Origin: http://localhost:8080"])).toBe(200);
    const response = await api.request("/api/v1/status");
    expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    expect(response.headers.get("cache-control")).toBe("no-store");
  });
});

test("health says nothing but one word", async () => {
  expect(await (await fetch(`${api.url}/health/ready`)).json()).toEqual({ status: "ok" });
  expect(await (await fetch(`${api.url}/health`)).json()).toEqual({ status: "ok" });
});
