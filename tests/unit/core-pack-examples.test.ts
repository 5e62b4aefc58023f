import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository, runCommand, startScript, typescriptCommand } from "../support/script.ts";
import { until } from "../support/until.ts";

const examples = join(repository, "packs/examples");

test("disk_watch sees its file system", async () => {
  const sensor = join(examples, "disk_watch/sensors/disk_sensor.sh");
  const directory = tmpdir();
  await using running = startScript([sensor], { env: { ATTUNE_SENSOR_PATH: directory, ATTUNE_SENSOR_SECONDS: "0.01" } });
  await until("two events", () => running.events.length > 1);
  expect(running.events[0] as unknown).toEqual({
    trigger_ref: "disk_watch.usage",
    path: directory,
    used_percent: expect.any(Number),
    free_kib: expect.any(Number),
  });
});

test("disk_watch says that a disk is full", async () => {
  const env = { ATTUNE_ACTION_PATH: "/srv/$(id)", ATTUNE_ACTION_USED_PERCENT: "97" };
  expect(await runCommand([join(examples, "disk_watch/actions/warn.sh")], { env })).toEqual({
    code: 0,
    stdout: "/srv/$(id) is 97 % full\n",
    stderr: "",
  });
});

test.each([
  [{ name: "Ada" }, "Hello Ada!"],
  [{ name: "Ada", visits: 3 }, "Hello Ada again, for the 3. time!"],
])("python_hello greets %j", async (parameters, greeting) => {
  const command: [string] = [join(examples, "python_hello/actions/greet.py")];
  const { code, stdout } = await runCommand(command, {
    stdin: JSON.stringify(parameters),
    env: { HOME: process.env["HOME"] ?? "/" },
  });
  expect({ code, result: JSON.parse(stdout) }).toEqual({ code: 0, result: { greeting } });
});

test.each([
  [3, 1, "rising"],
  [1, 3, "falling"],
  [1, 1, "steady"],
])("typescript_hello judges %d after %d", async (oneMinute, fifteenMinutes, verdict) => {
  const stdin = JSON.stringify({ one_minute: oneMinute, fifteen_minutes: fifteenMinutes });
  const { stdout } = await runCommand(typescriptCommand("packs/examples/typescript_hello/actions/judge.ts"), {
    stdin,
    env: { ATTUNE_RULE: "p.r" },
  });
  expect(JSON.parse(stdout)).toEqual({ verdict, asked_by: "p.r" });
});

test("typescript_hello reports the load to each rule", async () => {
  const rules = [{ id: 4, rule_ref: "p.r", trigger_ref: "typescript_hello.load", trigger_params: { every_seconds: 1 } }];
  await using sensor = startScript(typescriptCommand("packs/examples/typescript_hello/sensors/load_sensor.ts"));
  sensor.send({ type: "rules", rules });
  await until("a report", () => sensor.events.length > 0);
  expect(sensor.events[0] as unknown).toEqual({
    trigger_ref: "typescript_hello.load",
    trigger_instance_id: "rule_4",
    payload: { one_minute: expect.any(Number), fifteen_minutes: expect.any(Number) },
  });
});
