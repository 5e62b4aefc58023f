import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { reloaded, startTestApi, type TestApi, token } from "../support/api.ts";
import { terminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";

let api: TestApi;
let dir: string;
beforeAll(async () => {
  api = await startTestApi();
  dir = mkdtempSync(path.join(tmpdir(), "attune-cli-"));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const env = () => ({ ATTUNE_API_URL: api.url, ATTUNE_API_TOKEN: token });
const attune = (...argv: string[]) => terminal({ env: env(), cwd: dir }).run(argv);

describe("lists", () => {
  test("are tables for people", async () => {
    const { code, out, err } = await attune("rule", "list");
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\n")).toEqual([
      "REF          TRIGGER      ACTION      ENABLED  FROM  UNRESOLVED",
      "demo.off     demo.pinged  demo.greet  no       api   -",
      "demo.packed  demo.pinged  demo.greet  yes      pack  -",
      "",
    ]);
  });

  test("are arrays with -o json, wherever it stands, and say so when empty", async () => {
    for (const argv of [
      ["rule", "list", "-o", "json"],
      ["-o", "json", "rule", "list"],
      ["rule", "-j", "list"],
      ["rule", "list", "--output=json"],
    ]) {
      expect(JSON.parse((await attune(...argv)).out)).toMatchObject([
        { ref: "demo.off", enabled: false },
        { ref: "demo.packed" },
      ]);
    }
    expect(await attune("event", "list")).toEqual({ code: 0, out: "", err: "no events\n" });
    expect(await attune("event", "list", "-o", "json")).toEqual({ code: 0, out: "[]\n", err: "" });
    expect((await attune("rule", "list", "-o", "yaml")).out).toContain("- id: 8\n  ref: demo.off\n");
  });

  test("go over as many pages as the limit takes", async () => {
    await using big = await startTestApi();
    const { record } = await import("../support/api.ts");
    for (let i = 0; i < 250; i++) big.engine.executions.set(String(i), record(String(i), "demo.greet"));
    const { run } = terminal({ env: { ...env(), ATTUNE_API_URL: big.url }, cwd: dir });
    const { out } = await run(["execution", "list", "--limit", "230", "-j"]);
    expect(JSON.parse(out).map((one: { id: string }) => one.id)).toEqual(Array.from({ length: 230 }, (_, i) => String(249 - i)));
  });

  test.each([["pack"], ["action"], ["trigger"], ["sensor"], ["runtime"], ["execution"], ["enforcement"]])(
    "%s list works",
    async (group) => {
      expect((await attune(group, "list")).code).toBe(0);
    },
  );
});

describe("show", () => {
  test("escapes what could act on the terminal", async () => {
    const { out } = await attune("pack", "show", "demo");
    expect(out).toContain("actions/bad.yaml:3:7: error: unknown type \\u001b[2Jstring");
    expect(out).not.toContain("\u001b");
    expect((await attune("sensor", "show", "demo.watcher")).out).toContain("4711");
    expect((await attune("action", "show", "demo.greet")).out).toMatch(/password\s+string, secret/);
    expect((await attune("status")).out).toContain("pack broken: 1");
  });
});

describe("run", () => {
  const lines = [
    { stream: "stdout", text: "hello\n" },
    { stream: "stderr", text: "careful\n" },
  ] as const;

  test("passes the output on and ends as the action did", async () => {
    api.engine.endAtOnce.set("demo.greet", { print: lines, result: {} });
    expect(await attune("run", "demo.greet", "name=Ada", "times=3")).toEqual({ code: 0, out: "hello\n", err: "careful\n" });
    expect([...api.engine.executions.values()].at(-1)?.parameters).toEqual({ name: "Ada", times: 3 });
    api.engine.endAtOnce.set("demo.fail", { print: lines, result: { status: "failed", exit_code: 4, error: "no luck" } });
    const failed = await attune("action", "run", "demo.fail");
    expect([failed.code, failed.out]).toEqual([1, "hello\n"]);
    expect(failed.err).toMatch(/^careful\nerror: demo.fail failed: no luck; execution [0-9a-f-]{36}\n$/);
  });

  test("shows output while the action still runs", async () => {
    const shown = terminal({ env: env(), cwd: dir });
    const ended = shown.run(["run", "demo.wait"]);
    const [id, running] = await until("it runs", () => [...api.engine.running].at(-1));
    running.print("stdout", "half-way\n");
    await until("the line is shown", () => shown.written().out === "half-way\n");
    running.end({});
    expect((await ended).code).toBe(0);
    expect(await attune("execution", "logs", id)).toEqual({ code: 0, out: "half-way\n", err: "" });
  });

  test("with -o json prints only the final record, with --no-wait only the id", async () => {
    api.engine.endAtOnce.set("demo.fail", { print: lines, result: { status: "timeout", exit_code: null } });
    const { code, out, err } = await attune("run", "demo.fail", "-o", "json");
    expect([code, err]).toEqual([1, ""]);
    expect(JSON.parse(out)).toMatchObject({ action_ref: "demo.fail", status: "timeout" });
    const detached = await attune("run", "demo.wait", "--no-wait");
    expect(detached.out.trim()).toBe([...api.engine.running.keys()].at(-1) ?? "");
  });

  test("takes parameters from JSON, files and standard input", async () => {
    api.engine.endAtOnce.set("demo.greet", { print: [], result: {} });
    writeFileSync(path.join(dir, "name.txt"), "from file");
    const parametersOf = async (argv: string[], stdin = "") => {
      expect(await terminal({ env: env(), cwd: dir, stdin }).run(["run", "demo.greet", ...argv])).toMatchObject({
        code: 0,
        err: "",
      });
      return [...api.engine.executions.values()].at(-1)?.parameters;
    };
    expect(await parametersOf(["--params-json", '{"name":"x","deep":{"a":1}}', "name=y"])).toEqual({ name: "y", deep: { a: 1 } });
    expect(await parametersOf(["--params-json", "-"], '{"name":"in"}')).toEqual({ name: "in" });
    expect(await parametersOf(["name=@name.txt"])).toEqual({ name: "from file" });
    expect(await parametersOf(["name=-"], "piped")).toEqual({ name: "piped" });
    expect(await parametersOf(["name=@@ada", "x=a=b"])).toEqual({ name: "@ada", x: "a=b" });
  });

  test("refuses what cannot be meant before anything runs", async () => {
    const before = api.engine.executions.size;
    expect(await attune("run", "demo.greet", "name")).toMatchObject({
      code: 2,
      err: "error: name is not of the form name=value\n",
    });
    expect((await attune("run", "demo.greet", "times=many")).code).toBe(2);
    expect((await attune("run", "demo.greet", "--params-json", "[1]")).code).toBe(2);
    expect(await attune("run", "demo.greet", "--params-json", '{"name":5}')).toMatchObject({
      code: 2,
      err: "error: name must be a string\nhint: quote it\n",
    });
    expect(await attune("run", "demo.gret")).toMatchObject({
      code: 3,
      err: "error: there is no action demo.gret\nhint: did you mean demo.greet?\n",
    });
    expect(api.engine.executions.size).toBe(before);
  });

  test("says that the execution goes on when it is interrupted", async () => {
    const shown = terminal({ env: env(), cwd: dir });
    const before = api.engine.running.size;
    const ended = shown.run(["run", "demo.wait"]);
    await until("it runs", () => api.engine.running.size > before);
    shown.interrupt("SIGINT");
    const { code, err } = await ended;
    expect(code).toBe(130);
    expect(err).toMatch(/^execution .* may go on/);
  });
});

describe("rules", () => {
  test("are made from options", async () => {
    const argv = [
      "rule",
      "create",
      "--ref",
      "ops.a",
      "--trigger",
      "demo.pinged",
      "--action",
      "demo.greet",
      "--when",
      "event.payload.level > 3",
    ];
    const { code, out } = await attune(
      ...argv,
      "--trigger-params",
      '{"unit":"s"}',
      "--param",
      "times=2",
      "--param",
      "name={{ event.id }}",
    );
    expect([code, out]).toEqual([0, "rule ops.a is created\n"]);
    expect(api.engine.created.at(-1)).toMatchObject({
      ref: "ops.a",
      trigger: "demo.pinged",
      action: "demo.greet",
      when: "event.payload.level > 3",
      trigger_params: { unit: "s" },
      action_params: { times: 2, name: "{{ event.id }}" },
      enabled: true,
    });
    expect((await attune("rule", "create", "--ref", "ops.b")).err).toContain("a rule needs --trigger");
    expect((await attune(...argv)).code).toBe(1);
  });

  test("are made from a file, which options override", async () => {
    const yaml =
      "ref: ops.file\ntrigger_ref: demo.pinged\naction_ref: demo.greet\naction_params:\n  times: '{{ event.payload.n }}'\n";
    writeFileSync(path.join(dir, "rule.yaml"), yaml);
    expect((await attune("rule", "create", "-f", "rule.yaml", "--disabled")).out).toBe("rule ops.file is created, disabled\n");
    const piped = await terminal({ env: env(), cwd: dir, stdin: yaml }).run(["rule", "create", "-f", "-", "--ref", "ops.piped"]);
    expect(piped.code).toBe(0);
    expect(api.engine.created.map((rule) => rule.ref)).toContainValues(["ops.file", "ops.piped"]);
  });

  test("are switched and deleted", async () => {
    expect((await attune("rule", "disable", "demo.packed")).out).toBe("rule demo.packed is disabled\n");
    expect(JSON.parse((await attune("rule", "enable", "demo.packed", "-j")).out).enabled).toBe(true);
    expect(await attune("rule", "delete", "demo.packed")).toMatchObject({
      code: 1,
      err: "error: demo.packed belongs to a pack\nhint: disable it instead\n",
    });
    expect((await attune("rule", "delete", "demo.off")).code).toBe(0);
    expect((await attune("rule", "show", "demo.off")).code).toBe(3);
  });
});

test("trigger emit sends a payload in the types of the trigger", async () => {
  const { code, out } = await attune("trigger", "emit", "demo.pinged", "level=4", "--key", "k", "--rule", "demo.packed");
  expect(code).toBe(0);
  expect(out.trim()).toHaveLength(36);
  expect(api.engine.emitted.at(-1)).toEqual({ trigger: "demo.pinged", payload: { level: 4 }, key: "k", rule: "demo.packed" });
});

test("pack reload says what changed", async () => {
  expect((await attune("pack", "reload", "demo")).out).toBe("demo: added demo.new (1 ms)\n");
  expect((await attune("pack", "reload", "nope")).code).toBe(3);
});

test("pack history is a line for each reload", async () => {
  const { code, out } = await attune("pack", "history", "demo", "--limit", "5");
  expect(code).toBe(0);
  const [head, line] = out.split("\n").map((text) => text.split(/ {2,}/));
  expect(head).toEqual([
    "ID",
    "CREATED",
    "VERSION",
    "CONTENT",
    "CHANGES",
    "ERRORS",
    "MS",
    "WATCH",
    "PARSE",
    "DATABASE",
    "PUBLISH",
  ]);
  expect(line?.slice(2)).toEqual(["1.2.3", "0123456789ab", "+greet +wait ~pack.yaml -old", "1", "8", "2.5", "1.2", "4", "0.3"]);
  expect(JSON.parse((await attune("pack", "history", "demo", "-j")).out)).toEqual([reloaded]);
  expect((await attune("pack", "history", "demmo")).code).toBe(3);
  expect((await attune("pack", "history", "broken")).err).toBe("no reloads\n");
});

test("sensor logs can be followed until interrupted", async () => {
  expect((await attune("sensor", "logs", "demo.watcher")).out).toBe("started\nsecond \u001b[31mline\n");
  const shown = terminal({ env: env(), cwd: dir });
  const ended = shown.run(["sensor", "logs", "demo.watcher", "-f"]);
  await until("the lines are shown", () => shown.written().out.includes("second"));
  shown.interrupt("SIGINT");
  expect((await ended).code).toBe(130);
});
