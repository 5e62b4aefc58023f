import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { repository } from "../support/script.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const example = (name: string) => readFileSync(join(repository, "examples/plugins", name), "utf8");
const packs = {
  "web/pack.yaml": "ref: web\nversion: 1.0.0\n",
  "web/actions/fail.yaml": "ref: web.fail\nrunner_type: shell\nentry_point: fail.sh\n",
  "web/actions/fail.sh": "#!/bin/sh\necho the disk is full >&2\nexit 3\n",
  "web/actions/region.yaml": "ref: web.region\nrunner_type: shell\nentry_point: region.sh\n",
  "web/actions/region.sh": '#!/bin/sh\necho "$REGION $HTTPS_PROXY"\n',
  "web/triggers/login.yaml": "ref: web.login\noutput:\n  user: { type: string }\n",
  "other/pack.yaml": "ref: other\nversion: 1.0.0\n",
  "other/actions/region.yaml": "ref: other.region\nrunner_type: shell\nentry_point: region.sh\n",
  "other/actions/region.sh": '#!/bin/sh\necho "$REGION $(printenv HTTPS_PROXY || echo no proxy)"\n',
};

interface Told {
  readonly text: string;
  readonly execution: { readonly id: string; readonly action: string; readonly to: string };
}
const told: Told[] = [];
/** What the server that is told of failures answers. */
const answers = { status: 200 };
let server: Bun.Server<undefined>;
let daemon: TestDaemon;
beforeAll(async () => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      told.push((await request.json()) as Told);
      return new Response(null, { status: answers.status });
    },
  });
  const names = ["notify_failures.ts", "mask_fields.ts", "launch_env.ts"];
  const files = Object.fromEntries(names.map((name) => [`plugins/${name}`, example(name)]));
  daemon = await startDaemon({ packs, files, env: { FAILURES_URL: server.url.href, ATTUNE_LOG_FORMAT: "json" } });
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
  await server?.stop(true);
});

test("all are active", async () => {
  const plugins = (await daemon.cli("plugin", "list", "-o", "json")).json<{ name: string; status: string }[]>();
  for (const name of ["notify_failures", "mask_fields", "launch_env"]) {
    expect(plugins.find((plugin) => plugin.name === name)).toMatchObject({ name, status: "active" });
  }
  const shown = (await daemon.cli("plugin", "show", "mask_fields")).stdout;
  expect(shown).toMatch(/^hooks +event:accept$/m);
  expect(shown).toMatch(/^file +plugins\/mask_fields\.ts$/m);
  const unknown = await daemon.cli("plugin", "show", "mask_field");
  expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining("did you mean mask_fields?")]);
});

test("failed executions, and only those, are posted; a server that refuses is named and disturbs nothing", async () => {
  expect((await daemon.cli("run", "core.echo", "message=fine")).code).toBe(0);
  expect((await daemon.cli("run", "web.fail")).code).toBe(1);
  await until("the server was told", () => told.length > 0);
  expect(told).toEqual([
    {
      text: expect.stringContaining("web.fail failed: "),
      execution: expect.objectContaining({ action: "web.fail", to: "failed" }),
    },
  ]);

  answers.status = 503;
  const { stdout } = await daemon.cli("run", "web.fail", "-o", "json");
  await until("the refusal is logged", () => daemon.log().includes("answered 503"));
  const line =
    daemon
      .log()
      .split("\n")
      .find((text) => text.includes("answered 503")) ?? "";
  expect(line).toContain("notify_failures");
  expect(line).toMatch(/plugins\/notify_failures\.ts:\d+:\d+/);
  expect(JSON.parse(stdout)).toMatchObject({ status: "failed" });
});

test("named fields of payloads are masked at any depth before anything is stored", async () => {
  const payload = { user: "ada", password: "hunter2", deep: [{ token: "t0k3n", kept: { n: 1 } }] };
  const { stdout } = await daemon.cli("trigger", "emit", "web.login", "--payload-json", JSON.stringify(payload));
  const event = await daemon.get<{ payload: unknown }>(`/events/${stdout.trim()}`);
  expect(event.payload).toEqual({ user: "ada", password: "***", deep: [{ token: "***", kept: { n: 1 } }] });
});

test("variables are added to launches, to those of one pack more", async () => {
  expect((await daemon.cli("run", "web.region")).stdout).toBe("eu-west http://proxy.example:3128\n");
  expect((await daemon.cli("run", "other.region")).stdout).toBe("eu-west no proxy\n");
});
