import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { openDatabase } from "../support/database.ts";
import { anonymousBytes, isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const sensor = (name: string, script: string) => ({
  [`bad/triggers/${name}.yaml`]: `ref: bad.${name}\n`,
  [`bad/sensors/${name}.yaml`]: `ref: bad.${name}\nentry_point: ${name}.sh\ntrigger_types: [${name}]\nrunner_type: shell\n`,
  [`bad/sensors/${name}.sh`]: `#!/bin/bash\n${script}\n`,
  [`bad/rules/${name}.yaml`]: `ref: bad.${name}\ntrigger_ref: ${name}\naction_ref: core.noop\nenabled: false\n`,
});

const good = (n: number) => `echo '{"event_id":"good-${n}","payload":{"n":${n}}}'`;
const packs = {
  "bad/pack.yaml": "ref: bad\nversion: 1.0.0\n",
  ...sensor("flood", `yes 'this is no event, only a very long stream of words without any meaning to anyone who reads it'`),
  ...sensor("binary", "exec cat /dev/urandom"),
  ...sensor("endless_line", "exec cat /dev/zero"),
  ...sensor("chatter", "exec yes 'a word on standard error' >&2"),
  ...sensor("invalid", `exec yes '{"payload": {"n": '`),
  ...sensor("quits", "exit 0"),
  ...sensor("deaf", "trap '' TERM\nwhile :; do sleep 0.2; done"),
  ...sensor(
    "half",
    `printf '{"event_id":"half","payl'; sleep 0.2; printf 'oad":{"n":1}}\\n{"event_id":"never","payload":{"n":2}'; exit 1`,
  ),
  ...sensor(
    "poison",
    [
      good(1),
      `echo '{"payload": {"n": 1}'`,
      `echo '{"payload":{"n":1},"trigger_ref":"bad.nowhere"}'`,
      `echo '{"payload":{"n":1},"trigger_ref":"core.crontimer"}'`,
      `echo '{"payload":{"n":1},"trigger_instance_id":"rule_999999"}'`,
      `echo '{"payload":{"n":1},"event_id":{"a":1}}'`,
      good(2),
      `printf '{"payload":{"text":"'; head -c 5242880 /dev/zero | tr '\\0' x; printf '"}}\\n'`,
      `printf '{"payload":{"text":"'; head -c 700000 /dev/zero | tr '\\0' x; printf '"}}\\n'`,
      good(3),
      `printf '{"payload":{"deep":'; head -c 100000 /dev/zero | tr '\\0' '['; head -c 100000 /dev/zero | tr '\\0' ']'; printf '}}\\n'`,
      `printf '{"event_id":"nul","payload":{"text":"a\\\\u0000b"}}\\n'`,
      `printf '{"event_id":"raw \\0 nul","payload":{"n":1}}\\n'`,
      `printf '\\377\\376\\0\\0\\n'`,
      `echo '{"event_id":"surrogate","payload":{"text":"\\ud800"}}'`,
      `echo '{"event_id":"proto","payload":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}}'`,
      `echo '[1,2,3]'; echo 'null'; echo '"text"'; echo '{}'`,
      good(4),
      "exec sleep 1000",
    ].join("\n"),
  ),
  "steady/pack.yaml": "ref: steady\nversion: 1.0.0\n",
  "steady/rules/tick.yaml": `ref: steady.tick
trigger_ref: core.intervaltimer
trigger_params: { unit: seconds, interval: 1 }
action_ref: core.noop
`,
};

interface Sensor {
  readonly status: string;
  readonly pid: number | null;
  readonly restarts: number;
  readonly reason: string | null;
}

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ packs, config: "export default { limits: { grace: 1 } };\n" });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const state = (name: string) => daemon.get<Sensor>(`/sensors/bad.${name}`);
const enable = async (name: string) => expect((await daemon.cli("rule", "enable", `bad.${name}`)).code).toBe(0);
const disable = async (name: string) => expect((await daemon.cli("rule", "disable", `bad.${name}`)).code).toBe(0);

/** The timers' rule goes on to fire, about once a second. */
async function expectSteadyFor(seconds: number): Promise<void> {
  const ticks = async () =>
    (await daemon.get<object[]>("/executions?rule_ref=steady.tick&status=completed&page_size=100")).length;
  const before = await ticks();
  await until(`${seconds} more ticks`, async () => (await ticks()) >= before + seconds, { timeout: (seconds + 3) * 1_000 });
}

test.each(["flood", "binary", "invalid", "chatter", "endless_line"])(
  "a sensor that floods (%s) is held back; others and the memory are unaffected",
  async (name) => {
    await enable(name);
    await until("it runs", async () => (await state(name)).pid);
    const began = anonymousBytes(daemon.pid);
    await expectSteadyFor(2);
    expect(anonymousBytes(daemon.pid) - began).toBeLessThan(150 * 1024 * 1024);
    const { pid } = await state(name);
    await disable(name);
    await until("it has stopped", () => !isRunning(Number(pid)));
  },
);

test("a sensor that exits at once is started again, ever more slowly", async () => {
  await enable("quits");
  const seen = await until("it waits", async () => {
    const now = await state("quits");
    return now.restarts >= 2 && now.status === "backoff" && now;
  });
  expect(seen.reason).toContain("exited with code 0");
  await disable("quits");
  await until("it is stopped", async () => (await state("quits")).status === "stopped");
});

test("a sensor that ignores SIGTERM is killed after the grace", async () => {
  await enable("deaf");
  const pid = await until("it runs", async () => (await state("deaf")).pid);
  await disable("deaf");
  await until("it has ended", () => !isRunning(pid), { timeout: 5_000 });
});

test("half a line is put together; without an end it is taken as it is when the sensor exits", async () => {
  await enable("half");
  const events = await until("the event is there", async () => {
    const list = await daemon.get<{ payload: { n: number } }[]>("/events?trigger_ref=bad.half");
    return list.length > 0 && list;
  });
  expect(events).toMatchObject([{ payload: { n: 1 } }]);
  await until("the rest is refused", async () => (await rejections("bad.half")).some(({ excerpt }) => excerpt.includes("never")));
  await disable("half");
});

test("poison lines are refused one by one, and recorded; good ones between them are taken", async () => {
  await enable("poison");
  const payloads = await until("the last good one is there", async () => {
    const list = await daemon.get<{ payload: { n?: number } }[]>("/events?trigger_ref=bad.poison&page_size=100");
    return list.some(({ payload }) => payload.n === 4) && list.map(({ payload }) => payload);
  });
  for (const n of [1, 2, 3, 4]) expect(payloads).toContainEqual({ n });
  const reasons = await until("all others are recorded", async () => {
    const list = (await rejections("bad.poison")).map(({ reason }) => reason);
    return list.length >= 8 && list;
  });
  for (const word of ["JSON", "bad.nowhere", "core.crontimer", "999999", "event_id", "700", "nested"]) {
    expect(reasons).toContainEqual(expect.stringContaining(word));
  }
  expect(await state("poison")).toMatchObject({ status: "running", restarts: 0 });
  await disable("poison");
  await expectSteadyFor(1);
});

async function rejections(source: string): Promise<{ excerpt: string; reason: string }[]> {
  await using database = await openDatabase(daemon.project);
  return await database.query("SELECT excerpt, reason FROM rejected_event WHERE source = $1", [source]);
}
