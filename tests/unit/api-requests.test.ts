import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { databaseHistory } from "../../src/api/queries.ts";
import { createEngine, startTestApi, type TestApi } from "../support/api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const json = { "Content-Type": "application/json" };
const post = (path: string, body: unknown, headers: Record<string, string> = json) =>
  api.request(path, { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) });
// biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests are about
const bodyOf = async (response: Response): Promise<any> => response.json();
const get = async (path: string) => bodyOf(await api.request(`/api/v1${path}`));

describe("a body", () => {
  test.each([
    ["text/plain", 415],
    ["application/x-www-form-urlencoded", 415],
    ["multipart/form-data; boundary=x", 415],
    ["application/jsonx", 415],
    ["APPLICATION/JSON; charset=utf-8", 201],
  ])("of type %s answers %i", async (type, status) => {
    expect((await post("/api/v1/events", { trigger_ref: "demo.pinged" }, { "Content-Type": type })).status).toBe(status);
  });

  test("over 1 MiB is refused, also when its length is not announced", async () => {
    const big = `{"trigger_ref":"demo.pinged","payload":{"x":"${"a".repeat(1024 * 1024)}"}}`;
    expect((await post("/api/v1/events", big)).status).toBe(413);
    const chunks = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode(big.slice(0, 64 * 1024)));
        controller.close();
      },
    });
    const response = await api.request("/api/v1/events", { method: "POST", headers: json, body: chunks });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: "BODY_TOO_LARGE" });
  });

  test.each([
    ["not JSON", "{"],
    ["a list", "[]"],
    ["null", "null"],
    ["nested deeper than 50", `{"trigger_ref":"demo.pinged","payload":${'{"a":'.repeat(60)}1${"}".repeat(60)}}`],
    ["nested 100,000 deep", "[".repeat(100_000)],
    ["holding __proto__", '{"trigger_ref":"demo.pinged","payload":{"a":[{"__proto__":{"x":1}}]}}'],
  ])("that is %s is 400", async (_what, body) => {
    const response = await post("/api/v1/events", body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "BODY_INVALID" });
  });

  test("brackets inside strings are not depth, and bytes that are not UTF-8 are refused", async () => {
    expect((await post("/api/v1/events", { trigger_ref: "demo.pinged", payload: { x: `\\"${"[{".repeat(200)}` } })).status).toBe(
      201,
    );
    const bytes = new Uint8Array([...new TextEncoder().encode('{"trigger_ref":"'), 0xff, ...new TextEncoder().encode('"}')]);
    expect((await api.request("/api/v1/events", { method: "POST", headers: json, body: bytes })).status).toBe(400);
    expect((await post("/api/v1/events", "{}", { ...json, "Content-Encoding": "gzip" })).status).toBe(415);
  });
});

describe("lists", () => {
  test("come in the envelope, as items and as data", async () => {
    const list = await get("/actions?page=2&per_page=2");
    expect(list.items.map((action: { ref: string }) => action.ref)).toEqual(["demo.wait"]);
    expect(list.data).toEqual(list.items);
    expect(list.pagination).toEqual({
      page: 2,
      page_size: 2,
      total_items: 3,
      total_pages: 2,
      has_previous: true,
      has_next: false,
    });
    expect((await get("/actions?limit=1000")).pagination.page_size).toBe(100);
  });

  test.each(["page=0", "page=x", "page_size=-1", "limit=1.5", "page=99999999999", "page=20000"])("?%s is 400", async (query) => {
    const response = await api.request(`/api/v1/executions?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "USAGE" });
  });

  test.each(["status=done", "event=1", "event_id=' OR 1=1 --", "action_ref=a%00b"])("executions?%s is 400", async (query) => {
    expect((await api.request(`/api/v1/executions?${query}`)).status).toBe(400);
  });

  test("rules are filtered by trigger_ref and enabled", async () => {
    const refs = async (query: string) => (await get(`/rules?${query}`)).data.map((rule: { ref: string }) => rule.ref);
    expect(await refs("trigger_ref=demo.pinged&enabled=true")).toEqual(["demo.packed"]);
    expect(await refs("enabled=false")).toEqual(["demo.off"]);
    expect(await refs("trigger_ref=demo.other")).toEqual([]);
  });
});

describe("what is shown", () => {
  test("hides the secret parameters of rules", async () => {
    const { data } = await get("/rules/demo.packed");
    expect(data.action_params).toEqual({ name: "Ada", password: "********" });
    expect(data.trigger_params).toEqual({ secret_key: "********" });
    expect(await (await api.request("/api/v1/rules")).text()).not.toContain("hush");
  });

  test("has the fields of the contract", async () => {
    const fields = async (path: string) => Object.keys((await get(path)).data);
    expect(await fields("/rules/demo.packed")).toContainValues([
      "id",
      "ref",
      "trigger_ref",
      "action_ref",
      "enabled",
      "conditions",
      "trigger_params",
      "action_params",
    ]);
    expect(await fields("/actions/demo.greet")).toContainValues([
      "ref",
      "pack_ref",
      "label",
      "description",
      "runtime",
      "entry_point",
      "parameters",
      "enabled",
    ]);
    expect((await get("/sensors/demo.watcher")).data).toMatchObject({
      ref: "demo.watcher",
      status: "running",
      pid: 4711,
      restarts: 2,
      trigger_refs: ["demo.pinged"],
    });
    expect((await get("/runtimes/core.ruby")).data).toMatchObject({
      ref: "core.ruby",
      name: "ruby",
      available: false,
      version: null,
      path: null,
      reason: "ruby is not on the PATH",
    });
  });

  test("plugins are listed with what is wrong with them; of two of one name the one that serves is shown", async () => {
    expect((await get("/plugins")).items).toMatchObject([
      { status: "rejected", error: { message: "the name awk is taken", line: 3, column: 3, hint: "another" } },
      { status: "active", error: null },
    ]);
    expect((await get("/plugins/awk")).data).toEqual({
      name: "awk",
      kind: "runtime",
      source: "file",
      file: "/project/plugins/awk.ts",
      status: "active",
      error: null,
      note: null,
      hooks: ["daemon:ready"],
      runtime: "local.awk",
    });
  });

  test("packs name their mistakes with file, line and column, those that never loaded too", async () => {
    expect((await get("/packs/demo")).data).toMatchObject({
      ref: "demo",
      version: "1.2.3",
      enabled: true,
      errors: [{ file: "actions/bad.yaml", line: 3, column: 7, hint: "write string" }],
      components: { actions: 3, triggers: 1, sensors: 1 },
    });
    expect((await get("/packs")).items.map((pack: { ref: string }) => pack.ref)).toEqual(["broken", "demo"]);
  });

  test("an unknown ref is 404 and names the nearest", async () => {
    for (const [path, near] of [
      ["/rules/demo.packd", "demo.packed"],
      ["/packs/dmo", "demo"],
      ["/actions/demo.gret", "demo.greet"],
      ["/triggers/demo.ping", "demo.pinged"],
    ]) {
      const response = await api.request(`/api/v1${path}`);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ code: "NOT_FOUND", hint: `did you mean ${near}?` });
    }
    for (const path of ["/executions/x", `/executions/${Bun.randomUUIDv7()}`, "/events/__proto__", "/enforcements/1"]) {
      expect((await api.request(`/api/v1${path}`)).status).toBe(404);
    }
  });
});

describe("events", () => {
  test("are taken in the words of every generation", async () => {
    const sent = async (body: object) => {
      expect((await post("/api/v1/events", body)).status).toBe(201);
      return api.engine.emitted.at(-1);
    };
    expect(await sent({ trigger_type: "demo.pinged", payload: { a: 1 }, source: "x" })).toEqual({
      trigger: "demo.pinged",
      payload: { a: 1 },
    });
    expect(await sent({ trigger_ref: "demo.pinged", trigger_instance_id: "rule_7" })).toMatchObject({ rule: "demo.packed" });
    expect(await sent({ trigger_ref: "demo.pinged", trigger_instance_id: 8 })).toMatchObject({ rule: "demo.off" });
    expect(await sent({ trigger_ref: "demo.pinged", trigger_instance_id: "rule_demo.off" })).toMatchObject({ rule: "demo.off" });
    expect(await sent({ trigger_ref: "demo.pinged", event_id: "k1", rule_ref: "demo.off" })).toMatchObject({
      key: "k1",
      rule: "demo.off",
    });
  });

  test("with an instance that names no rule reach no rule at all", async () => {
    const before = api.engine.emitted.length;
    for (const trigger_instance_id of ["rule_99", "rule_", "7x", {}, ["rule_7", 1]]) {
      expect((await post("/api/v1/events", { trigger_ref: "demo.pinged", trigger_instance_id })).status).toBe(404);
    }
    expect((await post("/api/v1/events", { payload: {} })).status).toBe(400);
    expect((await post("/api/v1/events", { trigger_ref: "demo.pinged", payload: "x" })).status).toBe(400);
    expect(api.engine.emitted.length).toBe(before);
  });
});

describe("rules", () => {
  test("are created, switched and deleted", async () => {
    const rule = { ref: "ops.new", trigger_ref: "demo.pinged", action_ref: "demo.greet", when: "event.payload.level > 3" };
    const created = await post("/api/v1/rules", rule);
    expect(created.status).toBe(201);
    expect((await bodyOf(created)).data).toMatchObject({ ...rule, enabled: true, conditions: null, trigger_params: {} });
    expect((await post("/api/v1/rules", rule)).status).toBe(409);
    expect((await bodyOf(await api.request("/api/v1/rules/ops.new/disable", { method: "POST" }))).data.enabled).toBe(false);
    expect((await api.request("/api/v1/rules/ops.new", { method: "DELETE" })).status).toBe(200);
    expect((await api.request("/api/v1/rules/ops.new", { method: "DELETE" })).status).toBe(404);
    expect((await api.request("/api/v1/rules/demo.packed", { method: "DELETE" })).status).toBe(409);
  });

  test("a misspelt condition is refused, not ignored", async () => {
    const response = await post("/api/v1/rules", {
      ref: "ops.x",
      trigger_ref: "demo.pinged",
      action_ref: "demo.greet",
      wen: "false",
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ hint: "did you mean when?" });
    expect((await post("/api/v1/rules", { ref: "../x", trigger_ref: "demo.pinged", action_ref: "demo.greet" })).status).toBe(400);
  });
});

test("a failure the API does not know shows nothing of itself", async () => {
  const engine = createEngine();
  const failing = {
    ...engine.services,
    history: databaseHistory({ query: async () => Promise.reject(new Error("password=hush")) }),
  };
  await using broken = await startTestApi({ engine: { ...engine, services: failing } });
  const response = await broken.request("/api/v1/executions");
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("hush");
});
