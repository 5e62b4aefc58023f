import { expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { createOutputBuffer } from "../../src/core/executions/output.ts";
import { type Run, type RunContext, runAction } from "../../src/core/executions/run.ts";
import type { Launch } from "../../src/core/plugin.ts";
import { startChild } from "../../src/core/processes/child.ts";
import type { Action, Runtime } from "../../src/core/registry.ts";
import { tempDir } from "../support/packs.ts";
import { until } from "../support/until.ts";

const id = "01234567-89ab-7def-8123-456789abcdef";

function run(
  dir: string,
  script: string,
  more: {
    action?: Partial<Action>;
    launch?: Partial<Launch>;
    context?: Partial<RunContext>;
    timeout?: number;
    parameters?: object;
  } = {},
): Run & { out: () => string } {
  const action: Action = {
    ...{
      kind: "action",
      ref: "p.a",
      pack: "p",
      label: "a",
      description: null,
      enabled: true,
      tags: [],
      file: "actions/a.yaml",
      hash: "1",
    },
    ...{ runtime: "core.shell", entrypoint: script, inline: true, entry_point: script, dir, parameters: {}, output: {} },
    ...{ runtime_version: null, warm: true },
    ...{ delivery: "compat", format: "json", output_format: "text", timeout: null, ...more.action },
  };
  const runtime: Runtime = {
    ...{ ref: "core.shell", name: "shell", description: null, aliases: [], extensions: [], source: "plugin" },
    ...{ revision: "1", environment: null, refused: { action: null, sensor: null } },
    state: { available: true, interpreters: [{}] },
    launch: ({ entrypoint }) => ({ argv: ["/bin/sh", "-c", entrypoint], ...more.launch }),
  };
  const stdout = createOutputBuffer(10_000);
  const started = runAction(
    {
      start: startChild,
      filterLaunch: (launch) => launch,
      environment: () => ({ PATH: "/usr/bin:/bin", ATTUNE_API_URL: "http://here" }),
      packEnvironment: () => null,
      tempDir: dir,
      grace: 100,
      ...more.context,
    },
    {
      execution: {
        id,
        action: "p.a",
        rule: "p.r",
        event: null,
        trigger: "p.t",
        parameters: { ...more.parameters },
        attempt: 2,
        snapshot: null,
      },
      action,
      usable: { available: true, runtime, interpreter: {} },
      timeout: more.timeout ?? 30,
      warm: false,
      stdout,
      stderr: createOutputBuffer(10_000),
    },
  );
  return { ...started, out: () => stdout.content().toString() };
}

test("a run sees the pack's directory, its identity, and nothing of the launch in the names of the core", async () => {
  using dir = tempDir("run");
  const launch = { env: { MINE: "1", ATTUNE_API_URL: "http://evil", ATTUNE_EXEC_ID: "evil" } };
  const one = run(dir.path, "pwd; env | grep -v ^_= | grep -v ^PWD= | sort", { launch });
  expect(await one.finished).toMatchObject({ id, status: "completed", exitCode: 0 });
  expect(
    one
      .out()
      .split("\n")
      .filter((line) => !/^(SHLVL|OLDPWD)=/.test(line)),
  ).toEqual([
    dir.path,
    "ATTUNE_ACTION=p.a",
    "ATTUNE_API_URL=http://here",
    "ATTUNE_ATTEMPT=2",
    `ATTUNE_EXEC_ID=${id}`,
    "ATTUNE_PACK_REF=p",
    "ATTUNE_RULE=p.r",
    "ATTUNE_TRIGGER=p.t",
    "MINE=1",
    "PATH=/usr/bin:/bin",
    "",
  ]);
});

test("parameters by file: only the run can read it, and it is gone afterwards", async () => {
  using dir = tempDir("run");
  const script = 'cat "$ATTUNE_PARAMETER_FILE"; stat -c %a "$ATTUNE_PARAMETER_FILE"; echo "$ATTUNE_PARAMETER_FILE"';
  const one = run(dir.path, script, { action: { delivery: "file", format: "dotenv" }, parameters: { a: "b c" } });
  await one.finished;
  const [document, mode, file] = one.out().split("\n");
  expect([document, mode]).toEqual(["a='b c'", "400"]);
  expect(existsSync(file ?? "")).toBe(false);
  const failing = run(dir.path, "", { action: { delivery: "file", dir: "/no/such/directory" } });
  expect(await failing.finished).toMatchObject({ status: "failed", exitCode: null, error: expect.stringContaining("is gone") });
  expect(readdirSync(dir.path)).toEqual([]);
});

test("parameters by stdin; a launch with its own stdin replaces them", async () => {
  using dir = tempDir("run");
  const one = run(dir.path, "cat", { parameters: { a: 1 } });
  await one.finished;
  expect(one.out()).toBe('{"a":1}\n');
  const own = run(dir.path, "cat", { parameters: { a: 1 }, launch: { stdin: "mine" } });
  await own.finished;
  expect(own.out()).toBe("mine");
});

test("ending it early is what it ends as, also when it ignores the signal, and before it has started", async () => {
  using dir = tempDir("run");
  const deaf = run(dir.path, 'trap "" TERM; echo ready; while :; do sleep 0.05; done');
  await until("it runs", () => deaf.out() === "ready\n");
  deaf.end("cancelled", "an operator cancelled it");
  deaf.end("abandoned", "too late");
  expect(await deaf.finished).toMatchObject({
    status: "cancelled",
    exitCode: -1,
    error: "an operator cancelled it",
    result: { succeeded: false },
  });

  const early = run(dir.path, "touch started", {
    context: { filterLaunch: () => Bun.sleep(20).then(() => ({ argv: ["/bin/true"] as const })) },
  });
  early.end("abandoned", "the daemon was stopped");
  expect(await early.finished).toMatchObject({ status: "abandoned", error: "the daemon was stopped" });
});

test("what can't be started is a failure with the reason, and never a rejection", async () => {
  using dir = tempDir("run");
  const outcome = async (more: Parameters<typeof run>[2]) => (await run(dir.path, "true", more).finished).error;
  expect(await outcome({ context: { filterLaunch: () => Promise.reject(new Error("hook broke")) } })).toBe("hook broke");
  expect(await outcome({ launch: { argv: ["no-such-program"] } })).toContain("install it");
});

test("a run that waits for its environment ends when it is told to, and says why there is none", async () => {
  using dir = tempDir("run");
  const waiting = run(dir.path, "echo started", {
    context: {
      packEnvironment: (_action, _using, signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    },
  });
  waiting.end("cancelled", "by hand");
  expect(await waiting.finished).toMatchObject({ status: "cancelled", error: "by hand" });
  const failing = run(dir.path, "echo started", { context: { packEnvironment: () => Promise.reject(new Error("pip failed")) } });
  expect(await failing.finished).toMatchObject({ status: "failed", exitCode: null, error: "pip failed" });
  expect([waiting.out(), failing.out()]).toEqual(["", ""]);
});
