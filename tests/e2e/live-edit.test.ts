import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const rule = (interval: number, message: string) => `ref: live.tick
trigger_ref: core.intervaltimer
trigger_params: { unit: seconds, interval: ${interval} }
action_ref: live.say
action_params: { message: "${message}" }
`;
const packs = {
  "live/pack.yaml": "ref: live\nversion: 1.0.0\n",
  "live/actions/say.yaml": "ref: live.say\nentry_point: say.sh\nparameters: { message: { type: string } }\n",
  "live/actions/say.sh": '#!/bin/sh\necho "first: $ATTUNE_ACTION_MESSAGE"\n',
  "live/rules/tick.yaml": rule(1, "slow"),
};

interface PackRecord {
  readonly ref: string;
  readonly errors: readonly { readonly file: string; readonly line: number; readonly column: number; readonly message: string }[];
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ packs });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

/** What the rule's latest execution printed. */
async function latestOutput(): Promise<string | undefined> {
  const executions = await daemon.get<{ result: { stdout?: string } }[]>(
    "/executions?rule_ref=live.tick&status=completed&page_size=1",
  );
  return executions[0]?.result.stdout;
}

const timerSensor = () => daemon.get<{ pid: number; restarts: number }>("/sensors/core.interval_timer_sensor");
const pack = async () => (await daemon.cli("pack", "show", "live", "-o", "json")).json<PackRecord>();

test("a saved script is what the next execution runs", async () => {
  await until("the first version ran", async () => (await latestOutput()) === "first: slow\n");
  daemon.project.writePacks({ "live/actions/say.sh": '#!/bin/sh\necho "second: $ATTUNE_ACTION_MESSAGE"\n' });
  await until("the second version ran", async () => (await latestOutput()) === "second: slow\n");
});

test("a rule's new parameters are taken while the timers' process keeps running", async () => {
  const before = await timerSensor();
  daemon.project.writePacks({ "live/rules/tick.yaml": rule(1, "changed") });
  await until("the rule's new parameters are used", async () => (await latestOutput()) === "second: changed\n");
  // A change of what the sensor is told reaches it without a restart, too.
  daemon.project.writePacks({ "live/rules/tick.yaml": rule(2, "every other second") });
  await until("the new interval is used", async () => (await latestOutput()) === "second: every other second\n");
  const events = await daemon.get<{ payload: { interval_seconds: number } }[]>("/events?page_size=1");
  expect(events[0]?.payload.interval_seconds).toBe(2);
  expect(await timerSensor()).toMatchObject({ pid: before.pid, restarts: 0 });
  expect(isRunning(before.pid)).toBe(true);
});

test("a mistake is shown where it is, while the last good version serves", async () => {
  daemon.project.writePacks({ "live/rules/tick.yaml": `${rule(1, "broken")}  bad: [1, 2\n` });
  const broken = await until("the mistake is shown", async () => {
    const shown = await pack();
    return shown.errors.length > 0 && shown;
  });
  expect(broken.errors).toMatchObject([
    { file: "rules/tick.yaml", line: 6, column: expect.any(Number), message: expect.any(String) },
  ]);
  expect(daemon.log()).toMatch(/live\/rules\/tick\.yaml:6:\d+/);
  const shown = await daemon.cli("pack", "show", "live");
  expect(shown.stdout).toMatch(/rules\/tick\.yaml:6:\d+: error: /);
  expect((await daemon.cli("pack", "reload", "live")).code).toBe(1);

  const served = await daemon.get<{ action_params: { message: string } }>("/rules/live.tick");
  expect(served.action_params.message).toBe("every other second");
  const count = async () => (await daemon.get<object[]>("/executions?rule_ref=live.tick&page_size=100")).length;
  const before = await count();
  await until("the last good version still fires", async () => (await count()) > before);

  daemon.project.writePacks({ "live/rules/tick.yaml": rule(1, "mended") });
  await until("the mended rule is live", async () => (await latestOutput()) === "second: mended\n");
  expect((await pack()).errors).toEqual([]);
});

test("a new pack appears, also when it is moved in whole, and goes again", async () => {
  const files = (name: string) => ({
    [`${name}/pack.yaml`]: `ref: ${name}\nversion: 1.0.0\n`,
    [`${name}/actions/hi.yaml`]: `ref: ${name}.hi\nentry_point: hi.sh\n`,
    [`${name}/actions/hi.sh`]: "#!/bin/sh\necho hi\n",
  });
  daemon.project.writePacks(files("written"));
  await until("the written pack's action runs", async () => (await daemon.cli("run", "written.hi")).stdout === "hi\n");

  daemon.project.writePacks(
    Object.fromEntries(Object.entries(files("moved")).map(([path, text]) => [`../outside/${path}`, text])),
  );
  renameSync(join(daemon.dir, "outside/moved"), join(daemon.dir, "packs/moved"));
  await until("the moved pack's action runs", async () => (await daemon.cli("run", "moved.hi")).stdout === "hi\n");

  rmSync(join(daemon.dir, "packs/written"), { recursive: true });
  renameSync(join(daemon.dir, "packs/moved"), join(daemon.dir, "outside/moved"));
  await until("both packs are gone", async () => {
    const codes = await Promise.all(["written.hi", "moved.hi"].map(async (ref) => (await daemon.cli("run", ref)).code));
    return codes.every((code) => code === 3);
  });
  // Their history stays.
  expect(await daemon.get<object[]>("/executions?action_ref=written.hi")).not.toEqual([]);
});

test("a pack that vanishes takes its sensors and timers along, and comes back", async () => {
  const { pid } = await timerSensor();
  renameSync(join(daemon.dir, "packs/live"), join(daemon.dir, "outside/live"));
  await until("no rule needs the timers any more", async () => !isRunning(pid));
  renameSync(join(daemon.dir, "outside/live"), join(daemon.dir, "packs/live"));
  await until("another process has taken over", async () => {
    const now = await timerSensor();
    return now.pid !== null && now.pid !== pid && isRunning(now.pid);
  });
});
