import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

const packs = {
  "p/pack.yaml": `ref: p
version: 1.0.0
conf_schema:
  region: { type: string, default: eu }
  retries: { type: integer, minimum: 0 }
  token: { type: string, secret: true }
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
    config: 'export default { packs: { config: { p: { retries: 2, token: "from file" } } } };\n',
  });
  const config = async (...args: string[]) => daemon.cli("pack", "config", "p", ...args);
  const rows = async () => (await config("-o", "json")).json<{ key: string; value: unknown; origin: string }[]>();
  expect((await rows()).map(({ key, value, origin }) => [key, value, origin])).toEqual([
    ["region", "eu", "conf_schema"],
    ["retries", 2, "attune.config.ts"],
    ["token", "********", "attune.config.ts"],
  ]);
  const shown = async () =>
    (await daemon.cli("run", "p.show", "-o", "json")).json<{ result: { data?: object } & object }>().result;
  const log = async () => (await daemon.cli("sensor", "logs", "p.s")).stdout;
  await until("the sensor runs", async () => (await log()).includes("region eu"));

  const set = await config("set", "region=us-1", "retries=5", "token=hush hush");
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
