import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { anonymousBytes, runningProcesses } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const parameters = `parameters:
  text: { type: string, required: true }
  count: { type: integer, default: 2 }
  list: { type: array, default: [1, 2] }
  password: { type: string, secret: true, default: ovenbird-9174 }
`;
/** Actions that give back what they got, each in its own language. */
const echoes: Readonly<Record<string, { readonly script: string; readonly yaml?: string }>> = {
  shell: {
    script: `#!/bin/sh
read -r document
printf '%s\\n' "$document"
[ "$ATTUNE_ACTION_TEXT" = 'a "b" $c é' ] || { echo "text is $ATTUNE_ACTION_TEXT" >&2; exit 1; }
[ "$ATTUNE_ACTION_COUNT/$ATTUNE_ACTION_LIST" = '2/[1,2]' ] || exit 1
`,
  },
  python: { script: "import json, sys\nprint(json.dumps(json.load(sys.stdin)))\n" },
  bun: {
    script: `import { runAction } from "attune";
interface Parameters { readonly text: string }
await runAction<Parameters>((parameters) => parameters);
`,
  },
  native: { script: "#!/bin/sh\nexec cat\n", yaml: "runner_type: native\n" },
};
const extensions: Readonly<Record<string, string>> = { shell: "sh", python: "py", bun: "ts", native: "run" };

function echoFiles(): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [name, { script, yaml = "" }] of Object.entries(echoes)) {
    const entry = `${name}.${extensions[name]}`;
    files[`lang/actions/${name}.yaml`] = `ref: lang.${name}\nentry_point: ${entry}\noutput_format: json\n${yaml}${parameters}`;
    files[`lang/actions/${entry}`] = script;
  }
  return files;
}

/** Sensors that emit one event and then wait, each in its own language. */
const sensors: Readonly<Record<string, string>> = {
  "shell.sh": `#!/bin/sh
echo '{"payload":{"from":"shell"},"event_id":"1"}'
exec sleep 1000
`,
  "python.py": `import json, os, time
triggers = json.loads(os.environ["ATTUNE_SENSOR_TRIGGERS"])
print(json.dumps({"trigger_ref": triggers[0]["trigger_ref"], "payload": {"from": "python"}, "event_id": "1"}), flush=True)
time.sleep(1000)
`,
  "bun.ts": `import { runSensor } from "attune";
await runSensor((sensor) => ({
  async rules(rules) {
    for (const rule of rules) await sensor.emit({ trigger: rule.trigger, rule, id: "1", payload: { from: "bun" } });
  },
}));
`,
  "native.run": `#!/bin/sh
echo '{"from":"native"}'
exec sleep 1000
`,
};

function sensorFiles(): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [entry, script] of Object.entries(sensors)) {
    const name = entry.split(".")[0];
    files[`lang/triggers/${name}.yaml`] = `ref: lang.${name}\n`;
    files[`lang/sensors/${name}.yaml`] =
      `ref: lang.${name}\nentry_point: ${entry}\ntrigger_types: [${name}]\nrunner_type: ${name}\n`;
    files[`lang/sensors/${entry}`] = script;
    files[`lang/rules/${name}.yaml`] = `ref: lang.${name}
trigger_ref: ${name}
action_ref: core.echo
action_params: { message: "from {{ event.payload.from }}" }
`;
  }
  return files;
}

const action = (ref: string, yaml: string, script: string) => ({
  [`odd/actions/${ref}.yaml`]: `ref: odd.${ref}\nentry_point: ${ref}.sh\n${yaml}`,
  [`odd/actions/${ref}.sh`]: `#!/bin/sh\n${script}\n`,
});
const secret = "ovenbird-9174";
const packs = {
  "lang/pack.yaml": "ref: lang\nversion: 1.0.0\n",
  ...echoFiles(),
  ...sensorFiles(),
  "odd/pack.yaml": "ref: odd\nversion: 1.0.0\n",
  ...action("stubborn", "timeout_seconds: 1\n", "trap '' TERM\necho begun\nsleep 60 &\nwhile :; do sleep 1; done"),
  ...action("slow", "timeout_seconds: 1\n", "echo begun\nsleep 61 &\nsleep 62"),
  ...action(
    "flood",
    "",
    "head -c 5000000 /dev/zero | tr '\\0' a\nhead -c 300000000 /dev/zero | tr '\\0' b\nhead -c 100 /dev/zero | tr '\\0' c",
  ),
  ...action("one_line", "", "head -c 40000000 /dev/zero | tr '\\0' x >&2; printf '\\377\\000\\376'"),
  ...action("env", "", "env"),
  ...action(
    "secret",
    `parameters: { password: { type: string, secret: true, required: true }, plain: { type: string } }\n`,
    "env; tr '\\0' ' ' < /proc/self/cmdline; tr '\\0' ' ' < /proc/$$/cmdline",
  ),
  ...action("holder", "", "sleep 63 & echo done"),
  ...action("signalled", "", "kill -KILL $$"),
  ...action("closes", "", "exec >&- 2>&-; sleep 0.2; exit 3"),
};

interface Execution {
  readonly status: string;
  readonly exit_code: number | null;
  readonly error: string | null;
  readonly result: { readonly data?: unknown; readonly stdout?: string; readonly stdout_truncated?: boolean };
  readonly id: string;
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({
    packs,
    config: "export default { limits: { grace: 1 } };\n",
    env: {
      HELD_BACK: "1",
      PGPASSWORD: "1",
      BUN_OPTIONS: "",
      LD_LIBRARY_PATH: "/nowhere",
      NODE_OPTIONS: "--no-warnings",
      LANG: "C.UTF-8",
    },
  });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const run = async (...args: string[]) => (await daemon.cli("run", ...args, "-o", "json")).json<Execution>();
const sleeping = (seconds: number) => runningProcesses().some(({ argv }) => argv.join(" ") === `sleep ${seconds}`);

test.each(Object.keys(echoes))("an action in %s gets its parameters and gives a result", async (name) => {
  const text = 'a "b" $c é';
  expect(await run(`lang.${name}`, `text=${text}`)).toMatchObject({
    status: "completed",
    error: null,
    result: { data: { text, count: 2, list: [1, 2], password: expect.any(String) } },
  });
});

test.each(Object.keys(sensors).map((entry) => entry.split(".")[0] ?? ""))("a sensor in %s emits", async (name) => {
  const [execution] = await until("the event's execution is completed", async () => {
    const list = await daemon.get<{ result: object; parameters: object }[]>(`/executions?rule_ref=lang.${name}&status=completed`);
    return list.length > 0 && list;
  });
  expect(execution).toMatchObject({ parameters: { message: `from ${name}` } });
});

test("a timeout ends the whole group, also one that ignores SIGTERM", async () => {
  const [slow, stubborn] = await Promise.all([run("odd.slow"), run("odd.stubborn")]);
  for (const execution of [slow, stubborn]) {
    expect(execution).toMatchObject({
      status: "timeout",
      exit_code: -1,
      error: expect.stringContaining("1 second"),
      result: { stdout: "begun\n" },
    });
  }
  expect([60, 61, 62].filter(sleeping)).toEqual([]);
});

test("a flood of output is drained and bounded; head and tail are kept", async () => {
  const before = anonymousBytes(daemon.pid);
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, anonymousBytes(daemon.pid));
  }, 20);
  const { id } = (await daemon.cli("run", "odd.flood", "--no-wait", "-o", "json")).json<Execution>();
  const execution = await until(
    "the flood is over",
    async () => {
      const current = await daemon.get<Execution>(`/executions/${id}`);
      return current.status === "completed" && current;
    },
    { timeout: 30_000 },
  );
  clearInterval(watch);
  expect(execution.result.stdout_truncated).toBe(true);
  const { stdout } = await daemon.cli("execution", "logs", id, "--stream", "stdout");
  expect(stdout.length).toBeLessThan(11 * 1024 * 1024);
  expect(stdout.slice(0, 1000)).toBe("a".repeat(1000));
  expect(stdout.slice(-100)).toBe("c".repeat(100));
  expect(stdout).toMatch(/\d+ bytes left out/);
  expect(most - before).toBeLessThan(150 * 1024 * 1024);
});

test("a line without end and bytes that are no text", async () => {
  const execution = await run("odd.one_line");
  expect(execution).toMatchObject({ status: "completed", exit_code: 0 });
  const response = await fetch(`${daemon.url}/api/v1/executions/${execution.id}/logs/stdout`, {
    headers: { Authorization: `Bearer ${daemon.token}` },
  });
  expect([...(await response.bytes())]).toEqual([0xff, 0, 0xfe]);
});

test("a child's environment is what is listed and nothing else", async () => {
  const execution = await run("odd.env");
  const env = Object.fromEntries(
    (execution.result.stdout ?? "")
      .trim()
      .split("\n")
      .map((line) => line.split(/=(.*)/s) as [string, string]),
  );
  // bash adds these by itself.
  for (const name of ["PWD", "SHLVL", "_", "OLDPWD"]) delete env[name];
  expect(Object.keys(env).sort()).toEqual([
    "ATTUNE_ACTION",
    "ATTUNE_API_URL",
    "ATTUNE_ATTEMPT",
    "ATTUNE_DAEMON_ID",
    "ATTUNE_EXEC_ID",
    "ATTUNE_LOG_LEVEL",
    "ATTUNE_PACK_REF",
    "HOME",
    "LANG",
    "PATH",
  ]);
  expect(env).toMatchObject({
    ATTUNE_ACTION: "odd.env",
    ATTUNE_PACK_REF: "odd",
    ATTUNE_EXEC_ID: execution.id,
    ATTUNE_API_URL: daemon.url,
  });
});

test("a secret is in neither the environment nor the arguments, and is masked in the record", async () => {
  const output = await daemon.cli("run", "odd.secret", `password=${secret}`, "plain=word", "-o", "json");
  expect(output.stdout).not.toContain(secret);
  const execution = output.json<Execution>();
  expect(execution.result.stdout).toContain("ATTUNE_ACTION_PLAIN=word");
  expect(JSON.stringify(await daemon.get(`/executions/${execution.id}`))).not.toContain(secret);
  expect(daemon.log()).not.toContain(secret);
});

test("a background process that holds the output does not hold the execution", async () => {
  const began = performance.now();
  expect(await run("odd.holder")).toMatchObject({ status: "completed", result: { stdout: "done\n" } });
  expect(performance.now() - began).toBeLessThan(5_000);
  await until("what it left behind has ended", () => !sleeping(63));
});

test("an end by a signal, and output that is closed early", async () => {
  expect(await run("odd.signalled")).toMatchObject({ status: "failed", error: expect.stringContaining("SIGKILL") });
  expect(await run("odd.closes")).toMatchObject({ status: "failed", exit_code: 3 });
});
