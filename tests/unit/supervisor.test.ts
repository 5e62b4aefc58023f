import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { RestartPolicy } from "../../src/core/processes/backoff.ts";
import { startChild } from "../../src/core/processes/child.ts";
import { createLineSplitter } from "../../src/core/processes/lines.ts";
import {
  createSupervisor,
  type ProcessState,
  type Supervisor,
  type SupervisorOptions,
  type Wanted,
} from "../../src/core/processes/supervisor.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

interface Script extends Wanted {
  readonly script: string;
  readonly message?: string;
}

const running: Supervisor<Script>[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((supervisor) => supervisor.stop()));
});

function supervise(options: Partial<SupervisorOptions<Script>> = {}) {
  const history: ProcessState[] = [];
  const heard: string[] = [];
  const policy: RestartPolicy = { initial: 1, max: 4, healthyAfter: 60_000 };
  const supervisor = createSupervisor<Script>({
    policy,
    grace: 2_000,
    message: async (wanted) => wanted.message ?? wanted.revision ?? "",
    changed: (state) => void history.push(state),
    async start(wanted, log) {
      const stdout = createLineSplitter(
        1_000,
        (line) => void heard.push(line),
        () => {},
      );
      const stderr = createLineSplitter(1_000, log, () => {});
      return startChild({
        argv: ["/bin/sh", "-c", wanted.script],
        cwd: "/",
        packDir: "/",
        env: { PATH: "/usr/bin:/bin" },
        stdin: wanted.revision === null ? "none" : "open",
        onStdout: stdout.push,
        onStderr: stderr.push,
      });
    },
    ...options,
  });
  running.push(supervisor);
  const state = (ref: string) => supervisor.states().find((one) => one.ref === ref);
  const pidOf = (ref: string) => until(`${ref} runs`, () => state(ref)?.status === "running" && state(ref)?.pid);
  return { supervisor, history, heard, state, pidOf };
}

const wanted = (ref: string, script: string, more: Partial<Script> = {}): Script => ({
  ref,
  script,
  identity: script,
  revision: null,
  unavailable: null,
  ...more,
});
const echo = 'while read -r line; do echo "$line"; done';

test("what is not wanted any more is stopped, what is wanted in the same form keeps its process", async () => {
  const { supervisor, pidOf, state } = supervise();
  supervisor.want([wanted("a", "sleep 60"), wanted("b", "sleep 60")]);
  const [a, b] = [await pidOf("a"), await pidOf("b")];
  supervisor.want([wanted("a", "sleep 60")]);
  await until("b is stopped", () => state("b")?.status === "stopped");
  expect(isRunning(b)).toBe(false);
  expect(state("a")).toMatchObject({ status: "running", pid: a, restarts: 0 });
  supervisor.want([wanted("a", "sleep 60"), wanted("b", "sleep 60")]);
  expect(await pidOf("b")).not.toBe(b);
  expect(state("a")?.pid).toBe(a);
});

test("another identity replaces the process: the old one is gone before the new one starts", async () => {
  let old = 0;
  let overlap = false;
  const { supervisor, pidOf } = supervise({
    changed: ({ status }) => {
      if (status === "starting" && old && isRunning(old)) overlap = true;
    },
  });
  supervisor.want([wanted("a", "sleep 60")]);
  old = await pidOf("a");
  supervisor.want([wanted("a", "sleep 61")]);
  await until("the process was replaced", async () => (await pidOf("a")) !== old);
  expect(overlap).toBe(false);
});

test("one that exits is started again after waits that double, with the reason of its end, and its neighbour is left alone", async () => {
  const { supervisor, history, pidOf, state } = supervise({
    policy: { initial: 1, max: 8, healthyAfter: 60_000 },
    random: () => 1,
  });
  supervisor.want([wanted("bad", "echo 'no such host' >&2; exit 3"), wanted("good", "sleep 60")]);
  const good = await pidOf("good");
  await until("it was restarted five times", () => (state("bad")?.restarts ?? 0) >= 5);
  const waits = history.filter(({ ref, status }) => ref === "bad" && status === "backoff").map(({ reason }) => reason);
  expect(waits.slice(0, 4)).toEqual(Array(4).fill("exited with code 3: no such host; starts again in 0.0 s"));
  expect(state("bad")?.lastExit).toMatchObject({ code: 3, signal: null });
  expect(supervisor.log("bad")?.all()).toContain("no such host");
  expect(state("good")).toMatchObject({ pid: good, restarts: 0 });
});

test("the wait doubles with each failure, and a long healthy run makes it short again", async () => {
  const waits: string[] = [];
  let healthy = false;
  const { supervisor } = supervise({
    policy: { initial: 100, max: 100_000, healthyAfter: 150 },
    random: () => 0.1,
    changed: ({ reason }) => {
      if (reason) waits.push(/in ([\d.]+) s/.exec(reason)?.[1] ?? "");
    },
    start: async () => {
      if (healthy) await Bun.sleep(160);
      throw new Error("fails");
    },
  });
  // A tenth of 100, 200, 400, 800 and 1,600 ms.
  supervisor.want([wanted("a", "")]);
  await until("it failed six times", () => waits.length === 5);
  expect(waits).toEqual(["0.0", "0.0", "0.0", "0.1", "0.2"]);
  healthy = true;
  await until("it failed after a healthy run", () => waits.length === 6);
  expect(waits[5]).toBe("0.0");
});

test("an edit ends a wait at once, and so does not being wanted", async () => {
  const { supervisor, pidOf, state } = supervise({
    policy: { initial: 3_600_000, max: 3_600_000, healthyAfter: 60_000 },
    random: () => 1,
  });
  supervisor.want([wanted("a", "exit 1"), wanted("b", "exit 1")]);
  await until("both wait", () => state("a")?.status === "backoff" && state("b")?.status === "backoff");
  supervisor.want([wanted("a", "exit 1")]);
  await until("b waits no more", () => state("b")?.status === "stopped");
  expect(state("a")?.status).toBe("backoff");
  supervisor.want([wanted("a", "sleep 60")]);
  await pidOf("a");
});

test("one that listens is told at its start and at each revision, and keeps its process", async () => {
  const { supervisor, pidOf, heard } = supervise();
  supervisor.want([wanted("a", echo, { revision: "rules 1" })]);
  const pid = await pidOf("a");
  await until("it heard the first list", () => heard.includes("rules 1"));
  supervisor.want([wanted("a", echo, { revision: "rules 1" })]);
  supervisor.want([wanted("a", echo, { revision: "rules 2" })]);
  await until("it heard the second list", () => heard.includes("rules 2"));
  expect(heard).toEqual(["rules 1", "rules 2"]);
  expect(await pidOf("a")).toBe(pid);
});

test("a message that could not be made is tried again", async () => {
  let tries = 0;
  const { supervisor, heard } = supervise({
    message: async () => {
      if (++tries === 1) throw new Error("the database is away");
      return "rules at last";
    },
  });
  supervisor.want([wanted("a", echo, { revision: "1" })]);
  await until("it heard the list", () => heard.includes("rules at last"));
});

test("one that never reads what it is told can still be stopped", async () => {
  const { supervisor, pidOf } = supervise();
  const large = "x".repeat(500_000);
  supervisor.want([wanted("a", "sleep 60", { revision: "1", message: large })]);
  const pid = await pidOf("a");
  supervisor.want([wanted("a", "sleep 60", { revision: "2", message: large })]);
  await supervisor.stop();
  expect(isRunning(pid)).toBe(false);
});

test("what can't run now says why, and runs as soon as it can", async () => {
  const { supervisor, pidOf, state, history } = supervise();
  supervisor.want([wanted("a", "sleep 60", { unavailable: "python is not installed" })]);
  await until("it is unavailable", () => state("a")?.status === "unavailable");
  supervisor.want([wanted("a", "sleep 60", { unavailable: "python is not installed" })]);
  expect(state("a")).toMatchObject({ reason: "python is not installed", pid: null });
  supervisor.want([wanted("a", "sleep 60")]);
  await pidOf("a");
  supervisor.want([wanted("a", "sleep 60", { unavailable: "gone again" })]);
  await until("it is unavailable again", () => state("a")?.reason === "gone again");
  expect(history.map(({ status }) => status)).toEqual(["unavailable", "starting", "running", "unavailable"]);
});

test("stop ends all and resolves when nothing is left, also while one is starting or waiting", async () => {
  const { supervisor, pidOf, state } = supervise({
    policy: { initial: 3_600_000, max: 3_600_000, healthyAfter: 1 },
    random: () => 1,
    grace: 100,
  });
  supervisor.want([wanted("stubborn", 'trap "" TERM; while :; do sleep 1; done'), wanted("waiting", "exit 1")]);
  const pid = await pidOf("stubborn");
  await until("the other waits", () => state("waiting")?.status === "backoff");
  supervisor.want([
    wanted("stubborn", 'trap "" TERM; while :; do sleep 1; done'),
    wanted("waiting", "exit 1"),
    wanted("late", "sleep 60"),
  ]);
  await supervisor.stop();
  expect(isRunning(pid)).toBe(false);
  expect(supervisor.states().map(({ status }) => status)).toEqual(["stopped", "stopped", "stopped"]);
});
