import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { writePack } from "../support/packs.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

const packs = {
  "p/pack.yaml": `ref: p
version: 1.0.0
conf_schema:
  region: { type: string, default: eu }
  retries: { type: integer, minimum: 0 }
  token: { type: string, secret: true }
  login: { type: object, properties: { password: { type: string, secret: true, default: unsaid } } }
config:
  retries: 1
`,
  "p/triggers/t.yaml": "ref: p.t\n",
  "p/sensors/s.yaml": "ref: p.s\nrunner_type: shell\nentry_point: s.sh\ntrigger_types: [t]\n",
  "p/sensors/s.sh": '#!/bin/sh\necho "region $ATTUNE_PACK_CONFIG_REGION" >&2\nexec sleep 1000\n',
  "p/actions/show.yaml": "ref: p.show\nrunner_type: shell\nentry_point: show.sh\noutput_format: json\n",
  "p/actions/show.sh": `#!/bin/sh
printf '{"all":%s,"file":%s,"retries":"%s","token":"%s"}' "$ATTUNE_PACK_CONFIG" "$(cat "$ATTUNE_PACK_CONFIG_FILE")" "$ATTUNE_PACK_CONFIG_RETRIES" "$ATTUNE_PACK_CONFIG_TOKEN"
`,
  "p/actions/say.yaml": "ref: p.say\nrunner_type: shell\nentry_point: cat\nparameters:\n  text: { type: string, secret: true }\n",
  "p/actions/cat": "#!/bin/sh\ncat\n",
  "p/rules/r.yaml":
    'ref: p.r\ntrigger_ref: t\naction_ref: say\naction_params: { text: "{{ pack.config.region }} {{ pack.config.token }}" }\n',
};

test("a pack's configuration is layered, checked, live, and reaches templates, actions and sensors", async () => {
  await using daemon = await startDaemon({
    packs,
    files: { "token.txt": "hush hush\n" },
    config: 'export default { packs: { config: { p: { retries: 2, token: "from file" } } } };\n',
  });
  const config = async (...args: string[]) => daemon.cli("pack", "config", "p", ...args);
  const rows = async () => (await config("-o", "json")).json<{ key: string; value: unknown; origin: string }[]>();
  expect((await rows()).map(({ key, value, origin }) => [key, value, origin])).toEqual([
    ["login", null, null],
    ["region", "eu", "conf_schema"],
    ["retries", 2, "attune.config.ts"],
    ["token", "********", "attune.config.ts"],
  ]);
  const shown = async () =>
    (await daemon.cli("run", "p.show", "-o", "json")).json<{ result: { data?: object } & object }>().result;
  const log = async () => (await daemon.cli("sensor", "logs", "p.s")).stdout;
  await until("the sensor runs", async () => (await log()).includes("region eu"));

  const set = await config("set", "region=us-1", "retries=5", "token=@token.txt");
  expect(set.stderr).toBe("");
  expect(set.code).toBe(0);
  expect(set.stdout).not.toContain("hush");
  expect(await shown()).toMatchObject({
    data: {
      all: { region: "us-1", retries: 5 },
      file: { region: "us-1", retries: 5, token: "hush hush" },
      retries: "5",
      token: "",
    },
  });
  await until("the sensor was started anew with it", async () => (await log()).includes("region us-1"));
  const directory = join(daemon.project.dataDir, "configuration");
  for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o400);

  const event = (await daemon.cli("trigger", "emit", "p.t", "-o", "json")).json<{ id: string }>();
  const execution = await until("the rule's execution is over", async () => {
    const [one] = await daemon.get<{ id: string; status: string }[]>(`/executions?event_id=${event.id}`);
    return one?.status === "completed" ? one : undefined;
  });
  expect((await daemon.cli("execution", "logs", execution.id)).stdout).toContain("us-1 hush hush");

  for (const [pair, message] of [
    ["retries=-1", "retries: must be >= 0"],
    ["regoin=x", "did you mean"],
  ] as const) {
    const refused = await config("set", "region=other", pair);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain(message);
  }
  expect(JSON.stringify(await rows())).toContain('"us-1"');

  await daemon.stop();
  await daemon.restart();
  expect(JSON.stringify(await shown())).toContain("hush hush");
  const unset = await config("unset", "token", "retries");
  expect(unset.code).toBe(0);
  expect(JSON.stringify(await shown())).toContain('"token":"from file"');
  expect((await config("unset", "token")).code).toBe(3);
  expect(readFileSync(join(daemon.project.dataDir, "secret.key"), "utf8").trim()).toHaveLength(43);
});

test("a secret is shown by no route, also when only a part is one, when the schema forgets it, and when a rule fails over it", async () => {
  await using daemon = await startDaemon({ packs });
  const set = await daemon.cli("pack", "config", "p", "set", 'login={"user":"ada","password":"hush1"}', "token=hush2");
  expect(set.stderr).toBe("");
  const event = join(writePack(daemon.dir, { "event.json": "{}" }), "event.json");
  const everything = async () => {
    const shown = [set.stdout, daemon.log()];
    for (const path of ["/packs/p/config", "/actions", "/rules", "/enforcements", "/executions?action_ref=p.show"]) {
      shown.push(JSON.stringify(await daemon.get(path)));
    }
    shown.push((await daemon.cli("rule", "test", "p.leak", "--event", event, "-o", "json")).stdout);
    return shown.join("\n");
  };
  daemon.project.writePacks({
    "p/actions/count.yaml": "ref: p.count\nrunner_type: shell\nentry_point: cat\nparameters:\n  n: { type: integer }\n",
    "p/rules/leak.yaml": 'ref: p.leak\ntrigger_ref: t\naction_ref: count\naction_params: { n: "{{ pack.config.token }}" }\n',
  });
  await until("the rule is there", async () =>
    (await daemon.get<{ ref: string }[]>("/rules")).some(({ ref }) => ref === "p.leak"),
  );
  await daemon.cli("trigger", "emit", "p.t");
  await until("it has failed", async () =>
    (await daemon.get<{ status: string }[]>("/enforcements")).some(({ status }) => status === "failed"),
  );
  expect(await everything()).not.toMatch(/hush|unsaid/);

  daemon.project.writePacks({ "p/pack.yaml": "ref: p\nversion: 2.0.0\n" });
  await until("the schema is gone", async () => JSON.stringify(await daemon.get("/packs/p")).includes("2.0.0"));
  expect(await everything()).not.toMatch(/hush/);
  const { result } = (await daemon.cli("run", "p.show", "-o", "json")).json<{
    result: { data: { token: string; all: object } };
  }>();
  expect(result.data).toMatchObject({ all: {}, token: "" });
});
