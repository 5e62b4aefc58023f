import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { makeProject } from "../support/project.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";
import { writeWheel } from "../support/wheels.ts";

setDefaultTimeout(120_000);

const runtimes = ["shell", "python", "typescript", "nodejs", "native"];

describe("pack create", () => {
  test("writes packs that are valid, pass their tests and work in a daemon, in every runtime", async () => {
    await using daemon = await startDaemon();
    for (const runtime of runtimes) {
      const { code, stdout } = await daemon.cli("pack", "create", `try_${runtime}`, "--runtime", runtime);
      expect(stdout).toContain(`made packs/try_${runtime}/rules/greet_on_beat.yaml\n`);
      expect(code).toBe(0);
    }
    expect(await daemon.cli("pack", "validate", "packs", "--strict")).toMatchObject({ code: 0 });
    const tested = await daemon.cli("pack", "test", "packs");
    expect(tested.stdout).toMatch(/\n25 passed, 0 failed \(/);
    expect(tested.code).toBe(0);

    for (const runtime of runtimes) {
      const sensor = join(daemon.dir, `packs/try_${runtime}/sensors/clock.yaml`);
      writeFileSync(sensor, readFileSync(sensor, "utf8").replace("seconds: 10", "seconds: 0.1"));
    }
    for (const runtime of runtimes) {
      interface Execution {
        parameters: { name: string };
        result: { stdout?: string; data?: { greeting: string } };
      }
      const executions = await until(
        `the rule of ${runtime} runs its action`,
        async () => {
          const listed = await daemon.cli("execution", "list", "--action", `try_${runtime}.greet`, "--status", "completed", "-j");
          return listed.json<{ id: string }[]>().at(-1);
        },
        { timeout: 30_000 },
      );
      const first = await daemon.get<Execution>(`/executions/${executions.id}`);
      expect(first.result.data?.greeting ?? first.result.stdout?.trim()).toBe(`Hello, ${first.parameters.name}!`);
      expect(first.parameters.name).toMatch(/^beat \d*[02468]$/);
    }
  });

  test("never overwrites, and leaves nothing behind when it refuses", async () => {
    await using project = makeProject({ packs: { "mine/notes.txt": "mine" }, files: { "file/taken": "" } });
    const taken = await project.cli("pack", "create", "mine");
    expect(taken.stderr).toBe(
      `error: ${project.dir}/packs/mine exists already\nhint: nothing was written; choose another name\n`,
    );
    expect(taken.code).toBe(1);
    expect(await project.cli("pack", "create", "taken", "--dir", "file")).toMatchObject({ code: 1 });
    const nowhere = await project.cli("pack", "create", "mine", "--dir", "file/taken");
    expect(nowhere.stderr).toBe(`error: ${project.dir}/file/taken: exists already\nhint: choose another path\n`);
    expect(nowhere.code).toBe(1);
    expect(await project.cli("pack", "create", "Mine")).toMatchObject({ code: 2 });
    expect(await project.cli("pack", "create", "core")).toMatchObject({ code: 2 });
    const near = await project.cli("pack", "create", "other", "--runtime", "pyton");
    expect(near.stderr).toContain("hint: did you mean python?");
    const none = await project.cli("pack", "create", "other", "--runtime", "ruby");
    expect(none.stderr).toContain("choose one of shell, python, typescript, nodejs, native");
    expect(readdirSync(join(project.dir, "packs"))).toEqual(["mine"]);
    expect(readdirSync(join(project.dir, "packs/mine"))).toEqual(["notes.txt"]);
    expect(readdirSync(join(project.dir, "file"))).toEqual(["taken"]);
  });
});

const lab = {
  "lab/pack.yaml": "ref: lab\nversion: 1.0.0\nconfig: { place: here }\n",
  "lab/actions/show.yaml": "ref: lab.show\nentry_point: show.sh\nparameters: { n: { type: integer, default: 1 } }\n",
  "lab/actions/show.sh": `#!/bin/sh
echo "n is $ATTUNE_ACTION_N"
[ "$ATTUNE_ACTION_N" -lt 3 ] || sleep 60
[ "$ATTUNE_ACTION_N" -lt 2 ] || { echo "too many" >&2; exit 4; }
`,
  "lab/triggers/reading.yaml": "ref: lab.reading\n",
  "lab/rules/heat.yaml": `ref: heat
trigger_ref: reading
conditions:
  - { field: degrees, operator: gt, value: 25 }
  - { field: room, operator: in, value: [a, b] }
action_ref: show
action_params: { n: "{{ payload.n }}" }
`,
};

interface Outcome {
  pack: string;
  passed: boolean;
  disabled: boolean;
  problems: { file: string; line: number; message: string }[];
  cases: { name: string; misses: { what: string; expected: string; actual: string; at: { line: number } | null }[] }[];
}
/** Names of cases and what they miss. */
const missesOf = (outcome: Outcome | undefined) =>
  Object.fromEntries((outcome?.cases ?? []).map(({ name, misses }) => [name, misses.map(({ what }) => what)]));

describe("pack test", () => {
  test("tells what each case expected and what there was", async () => {
    await using project = makeProject({
      packs: {
        ...lab,
        "lab/tests/show.yaml": `cases:
  - { name: default, action: show, expect: { stdout: { contains: n is 1, matches: "^n is \\\\d\\n$" } } }
  - { name: code, action: show, parameters: { n: 2 }, expect: { exit_code: 4, error: { contains: too many } } }
  - { name: late, action: show, parameters: { n: 3 }, timeout: 0.3, expect: { status: timeout } }
  - { name: refused, action: show, parameters: { n: x }, expect: { status: refused } }
  - { name: wrong, action: show, parameters: { n: 2 }, expect: { stdout: { contains: n is 3 }, result: { exit_code: 5 } } }
  - { name: gone, action: shwo }
`,
        "lab/tests/heat.yaml": `cases:
  - { name: fires, rule: heat, event: { degrees: 26, room: a, n: 7 }, expect: { fires: true, parameters: { n: 7 } } }
  - { name: cold, rule: heat, event: { degrees: 5 }, expect: { fires: false, reason: { contains: it is 5 } } }
  - { name: wrongly, rule: heat, event: { degrees: 26, room: a, n: 7 }, expect: { fires: false } }
  - { name: other, rule: heat, event: { degrees: 26, room: a, n: 7 }, expect: { fires: true, parameters: { n: 8 } } }
  - { name: broken, rule: heat, event: { degrees: 26, room: a, n: x }, expect: { fires: false } }
`,
      },
    });
    const junit = join(project.scratch, "junit.xml");
    const { code, stdout } = await project.cli("pack", "test", "packs/lab", "--junit", junit);
    expect(code).toBe(1);
    expect(stdout).toContain("  ok      tests/show.yaml:2  lab.show: default (");
    expect(stdout).toContain(
      '    packs/lab/tests/show.yaml:6:86: stdout.contains\n      expected something with "n is 3"\n      got      "n is 2\\n"\n',
    );
    expect(stdout).toContain("    stderr\n      | too many\n");
    expect(stdout).toMatch(/\n6 passed, 5 failed \(/);
    expect(readFileSync(junit, "utf8")).toContain('<testsuite name="lab" tests="11" failures="5" errors="0"');

    const [outcome] = (await project.cli("pack", "test", "packs/lab", "-j")).json<Outcome[]>();
    expect(missesOf(outcome)).toEqual({
      fires: [],
      cold: [],
      wrongly: ["fires"],
      other: ["parameters.n"],
      broken: ["fires"],
      default: [],
      code: [],
      late: [],
      refused: [],
      wrong: ["status", "result.exit_code", "stdout.contains"],
      gone: ["action"],
    });
    const actual = (name: string) => outcome?.cases.find((one) => one.name === name)?.misses[0]?.actual;
    expect(actual("gone")).toBe("there is no action lab.shwo; did you mean lab.show?");
    expect(actual("broken")).toStartWith("failed: n: must be integer");
    expect(actual("wrong")).toBe('"failed": too many');
  });

  test("runs actions as the daemon does: from a copy, in a clean environment, and ends what they leave", async () => {
    await using project = makeProject({
      packs: {
        ...lab,
        "lab/actions/see.yaml": "ref: lab.see\nentry_point: see.py\noutput_format: json\n",
        "lab/actions/see.py": `import json, os, subprocess, sys
child = subprocess.Popen(["sleep", "987"])
print(json.dumps({"cwd": os.getcwd(), "env": dict(os.environ), "stdin": sys.stdin.read(), "child": child.pid}))
`,
        "lab/tests/see.yaml": `cases:
  - action: see
    parameters: { a: [1] }
    env: { GIVEN: "yes", ATTUNE_ACTION: no }
    expect:
      result:
        data: { stdin: "{\\"a\\":[1]}\\n", env: { GIVEN: "yes", ATTUNE_ACTION: lab.see, ATTUNE_ACTION_A: "[1]", ATTUNE_PACK_CONFIG_PLACE: here } }
      stdout: { contains: snapshots }
  - action: see
    expect: { stdout: { contains: HOME_OF_SECRETS } }
`.replace("ATTUNE_ACTION: no", 'ATTUNE_ACTION: "no"'),
      },
      env: { HOME_OF_SECRETS: "x" },
    });
    const before = (await project.cli("pack", "test", "packs/lab", "-j")).json<
      (Outcome & { cases: { printed: { stdout: string } }[] })[]
    >();
    const [first, second] = before[0]?.cases ?? [];
    expect(first?.misses).toEqual([]);
    expect(second?.misses.map(({ what }) => what)).toEqual(["stdout.contains"]);
    const { cwd, child } = JSON.parse(first?.printed.stdout ?? "{}") as { cwd: string; child: number };
    expect(cwd).not.toContain(project.dir);
    expect(() => readdirSync(cwd)).toThrow("ENOENT");
    expect(isRunning(child)).toBe(false);
  });

  test("makes the pack's own environment, for actions and for programs that test", async () => {
    await using project = makeProject({
      packs: {
        "wheels/pack.yaml":
          "ref: wheels\nversion: 1.0.0\ntesting: { runners: { python: { type: unittest, entry_point: tests/test_it.py } } }\n",
        "wheels/requirements.txt": "sunny==1.0\n",
        "wheels/actions/say.yaml": "ref: wheels.say\nentry_point: say.py\n",
        "wheels/actions/say.py": "import sunny\nprint(sunny.word)\n",
        "wheels/tests/say.yaml": "cases:\n  - { action: say, expect: { stdout: { contains: bright } } }\n",
        "wheels/tests/test_it.py":
          "import sunny, unittest\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(sunny.word, 'bright')\n",
      },
      config: `import { defineConfig } from "attune";
export default defineConfig({ environments: { findLinks: ["links"], offline: true } });
`,
      files: { "links/readme.txt": "" },
    });
    writeWheel(join(project.dir, "links"), "sunny", "1.0", "word = 'bright'\n");
    const { code, stdout, stderr } = await project.cli("pack", "test", "packs/wheels");
    expect(stderr).toMatch(/^environment of wheels: python [\d.]+: being made\n.*: ready in [\d.]+ s\n$/);
    expect(stdout).toMatch(/\n2 passed, 0 failed \(/);
    expect(code).toBe(0);

    project.writePacks({ "wheels/requirements.txt": "cloudy==1.0\n" });
    const failed = await project.cli("pack", "test", "packs/wheels");
    expect(failed.stdout).toContain("cloudy==1.0");
    expect(failed.code).toBe(1);
  });

  test("a mistake in a file of tests or of the pack fails, with its place", async () => {
    await using project = makeProject({
      packs: { ...lab, "lab/tests/a.yaml": "cases:\n  - { action: show, expct: {} }\n", "lab/rules/bad.yaml": "ref: bad\n" },
    });
    const { code, stdout } = await project.cli("pack", "test", "packs/lab");
    expect(code).toBe(1);
    expect(stdout).toContain("  packs/lab/rules/bad.yaml:1:1: error: `trigger_ref` is missing\n");
    expect(stdout).toContain("  packs/lab/tests/a.yaml:2:21: error: unknown key `expct`\n");
    expect(stdout).toContain("    hint: did you mean `expect`?\n");
    expect(stdout).toContain("0 passed, 0 failed, 3 mistakes in files (");
  });

  test("honours the section testing", async () => {
    const runners = (more: string) => `ref: lab
version: 1.0.0
testing:
  discovery: { path: checks }
  runners:
    shell: { entry_point: checks/run.sh, timeout: 10 }
    python: { type: unittest, entry_point: test_lab.py }
    sh: { entry_point: checks/slow.sh, timeout: 0.3 }
${more}`;
    await using project = makeProject({
      packs: {
        ...lab,
        "lab/pack.yaml": runners(""),
        "lab/checks/run.sh": '#!/bin/sh\n[ -f pack.yaml ] && [ -z "$HIDDEN" ] && touch ran\n',
        "lab/checks/slow.sh": "sleep 60\n",
        "lab/checks/test_lab.py":
          "import unittest, lablib\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertEqual(lablib.one, 1)\n",
        "lab/lib/lablib.py": "one = 1\n",
      },
      env: { HIDDEN: "x" },
    });
    const outcome = async (manifest: string) => {
      project.writePacks({ "lab/pack.yaml": manifest });
      const { code, json } = await project.cli("pack", "test", "packs/lab", "-j");
      const [one] = json<Outcome[]>();
      return { code, ...one, misses: missesOf(one) };
    };
    expect(await outcome(runners(""))).toMatchObject({
      code: 1,
      passed: false,
      misses: { "shell script": [], "python unittest": [], "sh script": ["exit_code"] },
    });
    expect(readdirSync(join(project.dir, "packs/lab"))).toContain("ran");
    expect(await outcome(runners("  min_pass_rate: 0.6\n"))).toMatchObject({ code: 0, passed: true });
    expect(await outcome(runners("  min_pass_rate: 0.7\n"))).toMatchObject({ code: 1, passed: false });
    expect(await outcome(runners("  on_failure: warn\n"))).toMatchObject({ code: 0, passed: true });
    expect(await outcome(runners("  enabled: false\n"))).toMatchObject({ code: 0, disabled: true, misses: {} });
  });
});

describe("rule test", () => {
  test("tells the verdict, each condition and the rendered parameters; nothing is stored", async () => {
    await using daemon = await startDaemon({ packs: lab });
    const emitted = await daemon.cli("trigger", "emit", "lab.reading", "--payload-json", '{"degrees":26,"room":"c","n":7}', "-j");
    const { id } = emitted.json<{ id: string }>();
    const stored = async () => [
      await daemon.cli("execution", "list", "-j").then(({ stdout }) => stdout),
      await daemon.cli("enforcement", "list", "-j").then(({ stdout }) => stdout),
    ];
    await until("it was judged", async () => (await stored())[1]?.includes("lab.heat"));
    const before = await stored();

    const byId = await daemon.cli("rule", "test", "lab.heat", "--event", id, "-j");
    expect(byId.code).toBe(0);
    const reason = 'payload.room is in ["a","b"]: it is "c"';
    expect(byId.json()).toEqual({
      rule: "lab.heat",
      action: "lab.show",
      verdict: "unmatched",
      reason,
      inactive: null,
      conditions: [
        { kind: "comparison", path: "payload.degrees", operator: "gt", expected: 25, actual: 26, outcome: "holds", reason: null },
        { kind: "comparison", path: "payload.room", operator: "in", expected: ["a", "b"], actual: "c", outcome: "fails", reason },
      ],
      parameters: { n: 7 },
    });
    expect(before[1]).toContain(JSON.stringify(reason));

    const input = { stdin: '{"degrees": 30, "room": "b", "n": 1}' };
    const offline = await daemon.project.cliWith(input, "rule", "test", "packs/lab/rules/heat.yaml", "--event", "-", "-j");
    const online = await daemon.project.cliWith(input, "rule", "test", "lab.heat", "--event", "-", "-j");
    expect(online.json()).toMatchObject({ verdict: "fired", reason: null, parameters: { n: 1 } });
    expect(offline.json<object>()).toEqual(online.json<object>());

    await daemon.cli("rule", "disable", "lab.heat");
    const disabled = await daemon.project.cliWith(input, "rule", "test", "lab.heat", "--event", "-");
    expect(disabled.stdout).toContain("inactive    no event reaches it: the rule or its pack is disabled\n");
    expect(await stored()).toEqual(before);
  });

  test("says what is wrong with the event or the file", async () => {
    await using project = makeProject({
      packs: { ...lab, "lab/rules/bad.yaml": "ref: bad\ntrigger_ref: reading\naction_ref: show\nwhen: payload.n >\n" },
      files: { "other.yaml": "trigger_ref: core.intervaltimer\npayload: {}\n", "list.json": "[1]", "loose.yaml": "ref: x\n" },
    });
    const heat = "packs/lab/rules/heat.yaml";
    const failed = await project.cliWith({ stdin: "{degrees: 30, room: a, n: x}" }, "rule", "test", heat, "--event", "-");
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain('verdict     failed\nreason      n: must be integer, got "x"');
    const other = await project.cli("rule", "test", heat, "--event", "other.yaml");
    expect(other.stderr).toContain("error: the event is one of core.intervaltimer, and lab.heat is on lab.reading\n");
    expect(await project.cli("rule", "test", heat, "--event", "list.json")).toMatchObject({ code: 2 });
    expect(await project.cli("rule", "test", heat, "--event", "gone.json")).toMatchObject({ code: 2 });
    const bad = await project.cli("rule", "test", "packs/lab/rules/bad.yaml", "--event", "other.yaml");
    expect(bad.stderr).toStartWith(`error: packs/lab/rules/bad.yaml:4:`);
    expect(bad.code).toBe(1);
    expect(await project.cli("rule", "test", "./loose.yaml", "--event", "other.yaml")).toMatchObject({ code: 3 });
    expect(await project.cli("rule", "test", "packs/lab/actions/show.yaml", "--event", "other.yaml")).toMatchObject({ code: 3 });
    expect(await project.cli("rule", "test", "lab.heat", "--event", "other.yaml")).toMatchObject({ code: 5 });
  });
});

describe("run of a file", () => {
  test("gives it its parameters and shows what it prints, without a daemon", async () => {
    await using project = makeProject({
      files: {
        "tools/see.py": `import json, os, sys
print(json.dumps({"in": json.load(sys.stdin), "a": os.environ["ATTUNE_ACTION_A"], "cwd": os.getcwd(), "hidden": "HIDDEN" in os.environ}))
`,
        program: "#!/bin/sh\necho out; printf 'one\\nerr\\n' >&2; exit 3\n",
        "hello.ts": 'import { runAction } from "attune";\nawait runAction(({ name }) => ({ hello: name }));\n',
        "unknown.xyz": "",
        "slow.sh": "sleep 60 & echo $!; wait\n",
      },
      env: { HIDDEN: "x" },
    });
    const seen = await project.cli("run", "tools/see.py", "a=1", 'b:={"c":[true]}', "-j");
    expect(seen.json()).toMatchObject({
      status: "completed",
      exit_code: 0,
      result: { data: { in: { a: "1", b: { c: [true] } }, a: "1", cwd: join(project.dir, "tools"), hidden: false } },
    });
    expect(await project.cli("run", "program")).toMatchObject({
      code: 1,
      stdout: "out\n",
      // What is on the screen already is not said again.
      stderr: "one\nerr\nerror: program failed: err\n",
    });
    expect(await project.cli("run", "./hello.ts", "name=Ada")).toMatchObject({ code: 0, stdout: '{"hello":"Ada"}\n' });
    const late = await project.cli("run", "./slow.sh", "--timeout", "0.5");
    expect(late.stderr).toBe("error: ./slow.sh ended as timeout: Execution timed out after 0.5 seconds\n");
    expect(isRunning(Number(late.stdout))).toBe(false);
    expect(await project.cli("run", "./unknown.xyz")).toMatchObject({ code: 2 });
    expect(await project.cli("run", "./gone.py")).toMatchObject({ code: 3 });
    expect(await project.cli("run", "./hello.ts", "--no-wait")).toMatchObject({ code: 2 });
    expect(await project.cli("run", "./hello.ts", "a:={")).toMatchObject({ code: 2 });
    expect(await project.cli("run", "core.echo", "--timeout", "5")).toMatchObject({ code: 2 });
  });

  test("uses the runtimes of the project's plugins, and says what is wrong with one", async () => {
    const runtime = (name: string, launch: string) =>
      `import { defineRuntime } from "attune";\nexport default defineRuntime({ name: "${name}", api: 1, extensions: [".${name}"], ${launch} });\n`;
    await using project = makeProject({
      files: {
        "plugins/awk.ts": runtime("awk", 'launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] })'),
        "plugins/bad.ts": runtime("bad", "lunch: 5"),
        "hello.awk": 'BEGIN { print "hello " ENVIRON["ATTUNE_ACTION_NAME"] }\n',
      },
    });
    const ran = await project.cli("run", "./hello.awk", "name=Ada");
    expect(ran.stdout).toBe("hello Ada\n");
    expect(ran.stderr).toContain("error: plugins/bad.ts:2:");
    expect(ran.code).toBe(0);
  });

  test("ends it when it is interrupted", async () => {
    await using project = makeProject({ files: { "slow.sh": "echo $$ > pid; sleep 60\n" } });
    const child = Bun.spawn(project.command(["run", "./slow.sh"]), { cwd: project.dir, env: project.env, stderr: "pipe" });
    const pid = await until("it runs", () => Number(readFileSync(join(project.dir, "pid"), "utf8")));
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(await new Response(child.stderr).text()).toBe("");
    expect(isRunning(pid)).toBe(false);
  });
});
