import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { createTimers } from "../../packs/core/lib/timers.ts";
import { scanPack } from "../../src/core/packs/scan.ts";
import { compileSchema } from "../../src/core/schema/schema.ts";
import { repository } from "../support/script.ts";

const examples = join(repository, "packs/examples");
const packs = [
  join(repository, "packs/core"),
  ...readdirSync(examples, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(examples, entry.name)] : [])),
];
const runtimes = ["shell", "python", "bun", "native"].map((name) => [name, `core.${name}`] as const);
const runtimeNames = { words: new Map(runtimes), extensions: new Map() };

describe.each(packs.map((dir) => [basename(dir), dir] as const))("%s", (name, dir) => {
  test("loads without a mistake or a warning", async () => {
    const pack = await scanPack(dir, { runtimeNames });
    expect(pack.broken).toEqual([]);
    expect(pack.problems).toEqual([]);
    expect(pack.ref).toBe(name);
    expect(pack.manifest).not.toBeNull();
  });

  test("every file is a component of the pack with a script that can be executed", () => {
    for (const folder of ["actions", "sensors", "triggers", "rules"]) {
      for (const file of list(join(dir, folder)).filter((entry) => entry.endsWith(".yaml"))) {
        const component = parse(readFileSync(join(dir, folder, file), "utf8"));
        expect(component.ref).toBe(`${name}.${basename(file, ".yaml")}`);
        expect(component.description).toBeString();
        if (folder !== "actions" && folder !== "sensors") continue;
        const script = join(dir, folder, component.entry_point);
        expect(readFileSync(script, "utf8")).toStartWith("#!");
        expect(statSync(script).mode & 0o111).toBe(0o111);
      }
    }
  });
});

test("the core pack has what rules and the contract count on", async () => {
  const pack = await scanPack(join(repository, "packs/core"), { runtimeNames });
  expect([...pack.actions.keys()].sort()).toEqual(["core.echo", "core.http_request", "core.noop", "core.sleep"]);
  expect([...pack.triggers.keys()].sort()).toEqual(["core.crontimer", "core.datetimetimer", "core.intervaltimer"]);
  expect([...pack.sensors.values()]).toMatchObject([
    {
      ref: "core.interval_timer_sensor",
      runtime: "core.bun",
      control: "stdin",
      triggers: ["core.intervaltimer", "core.crontimer", "core.datetimetimer"],
    },
  ]);
  expect(pack.manifest?.system).toBe(true);
  expect([...pack.runtimes.keys()].sort()).toEqual(["core.deno", "core.go", "core.nodejs", "core.perl", "core.ruby"]);
  const secrets = Object.entries(pack.actions.get("core.http_request")?.parameters ?? {}).filter(
    ([, property]) => property["secret"],
  );
  expect(secrets.map(([parameter]) => parameter)).toEqual(["auth_password", "auth_token"]);
});

test.each([
  ["core.intervaltimer", {}],
  ["core.intervaltimer", { unit: "milliseconds", interval: 10 }],
  ["core.crontimer", { expression: "*/5 * * * * *" }],
  ["core.datetimetimer", { fire_at: "2030-01-31T09:00:00" }],
])("the payload of %s %j is what its trigger states", async (trigger, stated) => {
  const schemas = (await scanPack(join(repository, "packs/core"), { runtimeNames })).triggers.get(trigger);
  if (!schemas) throw new Error(`${trigger} is missing`);
  const params = compileSchema(schemas.parameters).check(stated);
  const timers = createTimers({ sensorRef: "core.interval_timer_sensor", warn: (message) => expect(message).toBe("") });
  const now = Date.parse("2026-06-01T12:00:00Z");
  timers.update([{ id: 1, ref: "p.r", trigger, params, armedAt: null, checkpoint: null }], now);
  const [event] = timers.fire(Date.parse("2040-01-01T00:00:00Z"));
  const payload = event?.payload ?? {};
  expect(compileSchema(schemas.output).check(payload)).toEqual(payload);
  expect(Object.keys(payload).sort()).toEqual(Object.keys(schemas.output).sort());
});

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
