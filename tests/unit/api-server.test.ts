import { describe, expect, test } from "bun:test";
import { startApi } from "../../src/api/server.ts";
import { readServerSentEvents } from "../../src/cli/sse.ts";
import { silentLogger } from "../../src/core/log.ts";
import { createScope } from "../../src/core/scope.ts";
import { createEngine, startTestApi, type TestApi } from "../support/api.ts";
import { until } from "../support/until.ts";

const options = (port: number | null, scope: ReturnType<typeof createScope>) => ({
  host: "127.0.0.1",
  port,
  token: "t",
  allowedHosts: [],
  services: createEngine().services,
  log: silentLogger,
  scope,
});

describe("the port", () => {
  test("that is configured and taken is an error with a hint", async () => {
    await using scope = createScope("port", silentLogger);
    const { url } = await startApi(options(0, scope));
    const port = Number(new URL(url).port);
    expect(startApi(options(port, scope))).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
      message: `port ${port} is taken on 127.0.0.1`,
    });
  });

  test("that is not configured is 8080 or the next free one", async () => {
    await using scope = createScope("port", silentLogger);
    const first = await startApi(options(null, scope));
    const second = await startApi(options(null, scope));
    const [a, b] = [first, second].map(({ url }) => Number(new URL(url).port)) as [number, number];
    expect(a).toBeGreaterThanOrEqual(8080);
    expect(b).toBeGreaterThan(a);
  });

  test("is free again when the scope ends", async () => {
    const scope = createScope("port", silentLogger);
    const { url } = await startApi(options(0, scope));
    await scope.end();
    await using again = createScope("port", silentLogger);
    expect((await startApi(options(Number(new URL(url).port), again))).url).toBe(url);
  });

  test("on an address of another machine is a clear error", async () => {
    await using scope = createScope("port", silentLogger);
    expect(startApi({ ...options(0, scope), host: "192.0.2.1" })).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
  });
});

async function startWaiting(api: TestApi): Promise<string> {
  const response = await api.request("/api/v1/executions/execute", execute);
  return ((await response.json()) as { data: { id: string } }).data.id;
}
const execute = {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ action_ref: "demo.wait" }),
};

describe("streams", () => {
  test("pass an execution's output on while it runs and end with its record", async () => {
    await using api = await startTestApi();
    const id = await startWaiting(api);
    const running = api.engine.running.get(id);
    running?.print("stdout", "before\n");
    const response = await api.request(`/api/v1/executions/${id}/stream`);
    const events = readServerSentEvents(response.body as ReadableStream<Uint8Array>);
    const next = async () => (await events.next()).value;
    expect(await next()).toEqual({ event: "output", data: JSON.stringify({ stream: "stdout", text: "before\n" }) });
    running?.print("stderr", "after");
    expect(await next()).toEqual({ event: "output", data: JSON.stringify({ stream: "stderr", text: "after" }) });
    running?.end({ status: "failed", exit_code: 3 });
    const last = await next();
    expect(last?.event).toBe("finished");
    expect(JSON.parse(last?.data ?? "")).toMatchObject({ id: id, status: "failed", exit_code: 3 });
    expect((await events.next()).done).toBe(true);
  });

  test("let go of what they follow when the client leaves", async () => {
    await using api = await startTestApi();
    const leave = new AbortController();
    const response = await api.request("/api/v1/sensors/demo.watcher/logs/stream", { signal: leave.signal });
    const events = readServerSentEvents(response.body as ReadableStream<Uint8Array>);
    expect((await events.next()).value?.data).toBe('"started"');
    await until("the follower is there", () => api.engine.followers === 1);
    leave.abort();
    await until("the follower is gone", () => api.engine.followers === 0);
  });

  test("do not keep the server from stopping", async () => {
    const api = await startTestApi();
    const id = await startWaiting(api);
    const response = await api.request(`/api/v1/executions/${id}/stream`);
    const started = performance.now();
    await api[Symbol.asyncDispose]();
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(await response.text()).not.toContain("finished");
  });
});
