import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { History } from "../../src/api/history.ts";
import { databaseHistory } from "../../src/api/queries.ts";
import { loadAssets } from "../../src/assets.ts";
import { silentLogger } from "../../src/core/log.ts";
import { migrate } from "../../src/core/migrate.ts";
import { recordReload } from "../../src/core/packs/reload/history.ts";
import type { Storage } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import { postgres } from "../../src/plugins/storage/postgres/index.ts";
import { createEngine, startTestApi, type TestApi } from "../support/api.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const eventId = "01900000-0000-7000-8000-000000000001";
const idOf = (n: number) => `01900000-0000-7000-9000-${String(n).padStart(12, "0")}`;
const total = 120;

let server: TestPostgres;
let storage: Storage;
let history: History;
let api: TestApi;
const scope = createScope("history test", silentLogger);
const dataDir = mkdtempSync(path.join(tmpdir(), "attune-history-"));

beforeAll(async () => {
  server = await startPostgres({ fsync: false });
  const url = await server.createDatabase();
  storage = await postgres({ url }).open({ scope, log: silentLogger, dataDir, projectDir: dataDir });
  await migrate(storage, loadAssets().migrations, silentLogger);
  await storage.query("INSERT INTO pack (ref, label, version, hash) VALUES ('demo', 'Demo', '1.0.0', 'x')");
  await storage.query(
    `INSERT INTO action (ref, pack_id, label, entry_point, definition, hash, param_schema)
     VALUES ('demo.greet', 1, 'Greet', 'x.sh', '{}', 'x', $1), ('demo.other', 1, 'Other', 'x.sh', '{}', 'x', '{}')`,
    [{ password: { type: "string", secret: true }, login: { type: "object", properties: { key: { secret: true } } } }].map(
      (schema) => JSON.stringify(schema),
    ),
  );
  await storage.query("INSERT INTO trigger (ref, pack_id, label, hash) VALUES ('demo.pinged', 1, 'Pinged', 'x')");
  await storage.query(
    "INSERT INTO rule (ref, pack_id, label, trigger_ref, action_ref, hash) VALUES ('demo.r', 1, 'R', 'demo.pinged', 'demo.greet', 'x')",
  );
  await storage.query(
    "INSERT INTO event (id, trigger_ref, payload, created) VALUES ($1, 'demo.pinged', $2, '2026-11-23T10:00:00Z')",
    [eventId, JSON.stringify({ level: 4 })],
  );
  await storage.query(
    "INSERT INTO enforcement (id, event_id, rule_id, rule_ref, status, reason) VALUES ($1, $2, 1, 'demo.r', 'unmatched', 'level > 5')",
    [idOf(900), eventId],
  );
  for (let n = 0; n < total; n++) {
    await storage.query(
      `INSERT INTO execution (id, action_ref, status, parameters, exit_code, created, started, finished)
       VALUES ($1, $2, 'completed', $3, 0, $4::timestamptz, $4::timestamptz, $4::timestamptz + interval '35 ms')`,
      [
        idOf(n),
        n % 4 === 0 ? "demo.other" : "demo.greet",
        JSON.stringify({ n, password: "hush", login: { key: "hush", user: "ada" } }),
        new Date(Date.UTC(2026, 10, 23) + n * 1000),
      ],
    );
  }
  await storage.query(
    "INSERT INTO execution_output (execution_id, stream, content, total_bytes) VALUES ($1, 'stdout', $2, 5000000000)",
    [idOf(1), new Uint8Array([104, 105, 0xff, 0])],
  );
  history = databaseHistory(storage);
  const engine = createEngine();
  api = await startTestApi({ engine: { ...engine, services: { ...engine.services, history } } });
}, 60_000);
afterAll(async () => {
  await api?.[Symbol.asyncDispose]();
  await scope.end();
  await server?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const executions = async (query: string) => {
  const response = await api.request(`/api/v1/executions?${query}`);
  return { status: response.status, ...((await response.json()) as { items: { id: string }[]; pagination: object }) };
};

describe("executions", () => {
  test("come newest first, a page at a time", async () => {
    const { items, pagination } = await executions("page=2&page_size=50");
    expect(items.map((one) => one.id)).toEqual(Array.from({ length: 50 }, (_, i) => idOf(total - 51 - i)));
    expect(pagination).toEqual({
      page: 2,
      page_size: 50,
      total_items: total,
      total_pages: 3,
      has_previous: true,
      has_next: true,
    });
    expect((await executions("page=3&page_size=50")).pagination).toMatchObject({ has_next: false });
  });

  test("are filtered by all that is asked for", async () => {
    expect((await executions("action=demo.other&status=completed&limit=100")).pagination).toMatchObject({ total_items: 30 });
    expect((await executions("action=demo.other&status=failed")).items).toEqual([]);
    expect((await executions(`event=${eventId}`)).items).toEqual([]);
    expect((await executions("rule=demo.r")).items).toEqual([]);
  });

  test("are whole records with the secrets of any depth hidden, also when the registry does not know the action", async () => {
    expect(await history.execution(idOf(1))).toEqual({
      id: idOf(1),
      action_ref: "demo.greet",
      rule_ref: null,
      event_id: null,
      enforcement_id: null,
      status: "completed",
      parameters: { n: 1, password: "********", login: { key: "********", user: "ada" } },
      result: null,
      exit_code: 0,
      error: null,
      attempt: 0,
      snapshot: null,
      created: "2026-11-23T00:00:01.000Z",
      started: "2026-11-23T00:00:01.000Z",
      finished: "2026-11-23T00:00:01.035Z",
    });
    expect(await history.execution(idOf(999))).toBeNull();
  });

  test("keep the bytes of their output", async () => {
    const response = await api.request(`/api/v1/executions/${idOf(1)}/logs/stdout`);
    expect([...(await response.bytes())]).toEqual([104, 105, 0xff, 0]);
    expect(response.headers.get("x-total-bytes")).toBe("5000000000");
    expect(await (await api.request(`/api/v1/executions/${idOf(1)}/logs/stderr`)).text()).toBe("");
    expect((await api.request(`/api/v1/executions/${idOf(1)}/logs/content`)).status).toBe(404);
  });
});

test("events and enforcements", async () => {
  const list = async (path: string) => ((await (await api.request(`/api/v1${path}`)).json()) as { data: unknown }).data;
  const event = {
    id: eventId,
    trigger_ref: "demo.pinged",
    sensor_ref: null,
    rule_ref: null,
    payload: { level: 4 },
    created: "2026-11-23T10:00:00.000Z",
  };
  expect(await list("/events?trigger=demo.pinged")).toEqual([event]);
  expect(await list(`/events/${eventId}`)).toEqual(event);
  expect(await list("/events?sensor=demo.x")).toEqual([]);
  expect(await list(`/enforcements?rule=demo.r&status=unmatched&event=${eventId}`)).toMatchObject([
    { id: idOf(900), reason: "level > 5" },
  ]);
  expect(await list(`/enforcements/${idOf(900)}`)).toMatchObject({ event_id: eventId, rule_ref: "demo.r", status: "unmatched" });
});

describe("the history of a pack", () => {
  const timing = { watch: 2.5, parse: 1.2, database: 4.04, publish: 0.3 };
  const report = {
    snapshot: "abc",
    changes: [],
    added: [],
    changed: [],
    removed: [],
    problems: [],
    filesChanged: false,
    isNews: true,
    timing,
    ms: 8,
  };
  const mistake = { file: "rules/r.yaml", line: 3, column: 7, message: "unknown key", hint: null };

  test("comes newest first, with where the time went", async () => {
    await recordReload(storage, { ...report, pack: "demo", version: "1.0.0", added: ["demo.a", "demo.b"] });
    await recordReload(storage, {
      ...report,
      pack: "demo",
      version: "1.0.1",
      changed: ["demo", "demo.a"],
      removed: ["demo.b"],
      problems: [
        { ...mistake, severity: "error", frame: "> 3 | x" },
        { ...mistake, severity: "warning" },
      ],
    });
    await recordReload(storage, { ...report, pack: "gone", version: null });
    const response = await api.request("/api/v1/packs/demo/history");
    const { items } = (await response.json()) as { items: object[] };
    expect(items).toEqual([
      {
        id: 2,
        created: expect.stringMatching(/^\d{4}-.*Z$/),
        version: "1.0.1",
        snapshot: "abc",
        added: [],
        changed: ["demo", "demo.a"],
        removed: ["demo.b"],
        errors: [mistake],
        timing: { watch_ms: 2.5, parse_ms: 1.2, database_ms: 4, publish_ms: 0.3 },
        ms: 8,
      },
      expect.objectContaining({ id: 1, version: "1.0.0", added: ["demo.a", "demo.b"], errors: [] }),
    ]);
    const second = await api.request("/api/v1/packs/demo/history?limit=1&page=2");
    expect(await second.json()).toMatchObject({ items: [{ id: 1 }], pagination: { total_items: 2, has_next: false } });
  });

  test("is there for a pack that is gone, and not for one that never was", async () => {
    expect(await (await api.request("/api/v1/packs/gone/history")).json()).toMatchObject({ items: [{ version: null }] });
    const response = await api.request("/api/v1/packs/demmo/history");
    expect([response.status, await response.json()]).toEqual([404, expect.objectContaining({ hint: "did you mean demo?" })]);
    // Known, but never reloaded since its history began.
    expect(await (await api.request("/api/v1/packs/broken/history")).json()).toMatchObject({ items: [] });
  });
});

describe("SQL in any parameter", () => {
  const hostile = ["' OR '1'='1", "'; DROP TABLE execution; --", "demo.greet' UNION SELECT 1 --", "\\'", "$1", "%", "1) OR (1=1"];
  test.each(["action", "rule", "event", "status", "page", "limit"])("%s is only a value", async (name) => {
    for (const text of hostile) {
      const { status, items } = await executions(`${name}=${encodeURIComponent(text)}`);
      expect([text, status === 400 || (status === 200 && items.length === 0)]).toEqual([text, true]);
    }
    expect((await executions("")).pagination).toMatchObject({ total_items: total });
  });
});
