import { afterAll, describe, expect, test } from "bun:test";
import { offlineSchemas } from "../../src/cli/offline-schemas.ts";
import { checkRule, compileRule } from "../../src/core/events/compile.ts";
import { problemsAcross } from "../../src/core/packs/across.ts";
import { scanPack } from "../../src/core/packs/scan.ts";
import { validatePacks } from "../../src/core/packs/validate.ts";
import { emptyRegistry, type PackManifest, type RuleDefinition } from "../../src/core/registry.ts";
import { buildRegistry } from "../../src/core/registry-build.ts";
import { brief, builtinNames, MANIFEST, scanFiles } from "../support/pack-scans.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { processorTime } from "../support/processor-time.ts";

const temp = tempDir("rule-mistakes");
afterAll(() => temp[Symbol.dispose]());
let count = 0;

const files = {
  "pack.yaml": MANIFEST,
  "triggers/t.yaml":
    "ref: p.t\nparameters:\n  level: {type: string, enum: [low, high], required: true, description: which ones}\n  deep: {type: object, properties: {n: {type: integer}}}\n",
  "actions/a.yaml":
    "ref: p.a\nentry_point: a.sh\nparameters:\n  name: {type: string}\n  times: {type: integer, minimum: 1, description: how often}\n  loud: {type: boolean}\n",
  "actions/a.sh": "#!/bin/sh\n",
};
const timer = (kind: string, params: string) =>
  `ref: r\ntrigger_ref: core.${kind}timer\naction_ref: core.echo\ntrigger_params:\n${params}`;
const rule = (rest: string) => `ref: r\ntrigger_ref: t\naction_ref: a\ntrigger_params: {level: low}\n${rest}`;

async function problemsOf(yaml: string) {
  const dir = writePack(`${temp.path}/${count++}/p`, { ...files, "rules/r.yaml": yaml });
  const [validated] = await validatePacks([dir], { runtimeNames: builtinNames, known: offlineSchemas(), checkRule });
  return validated?.problems ?? [];
}

describe("parameters", () => {
  test.each([
    // name, rule, `line:column`, message, hint
    ["bad cron", timer("cron", "  expression: 61 * * * *\n"), "5:15", "invalid value for minute: 61", '"30 8 * * 1-5"'],
    ["cron of three fields", timer("cron", '  expression: "* * *"\n'), "5:15", "it has 3 fields", "for example"],
    ["cron in words", timer("cron", "  expression: every minute\n"), "5:15", "it has 2 fields", "for example"],
    ["no cron", timer("cron", "  timezone: UTC\n"), "5:3", "expression is required", "Five fields"],
    [
      "bad time zone",
      timer("cron", '  expression: "* * * * *"\n  timezone: Europe/Berlon\n'),
      "6:13",
      "must be an IANA time zone",
      "Europe/Berlin",
    ],
    [
      "bad date",
      timer("datetime", "  fire_at: tomorrow\n"),
      "5:12",
      "must be a date and time in ISO 8601",
      "2030-01-31T09:00:00Z",
    ],
    [
      "interval with a unit",
      timer("interval", "  interval: 5s\n"),
      "5:13",
      'interval: must be integer, got "5s"',
      "without quotes and unit",
    ],
    ["interval of zero", timer("interval", "  interval: 0\n"), "5:13", "interval: must be >= 1, got 0", "Number of units"],
    ["misspelt unit", timer("interval", "  unit: second\n"), "5:9", "unit: must be one of", "did you mean seconds?"],
    [
      "misspelt parameter",
      timer("interval", "  intervall: 5\n"),
      "5:3",
      "unknown parameter `intervall`",
      "did you mean `interval`?",
    ],
    ["no parameters at all", "ref: r\ntrigger: t\naction: a\n", "1:6", "trigger_params: level is required", "which ones"],
    ["empty parameters", "ref: r\ntrigger: t\naction: a\ntrigger_params: {}\n", "4:17", "level is required", "which ones"],
    [
      "deep parameter",
      "ref: r\ntrigger: t\naction: a\ntrigger_params:\n  level: low\n  deep: {n: x}\n",
      "6:13",
      "deep.n: must be integer",
      "without quotes",
    ],
    ["text for a number", rule('action_params: {times: "2"}\n'), "5:24", 'times: must be integer, got "2"', "without quotes"],
    ["number for text", rule("action_params:\n  name: 2\n"), "6:9", "name: must be string, got 2", "put quotes around it"],
    ["word for a flag", rule("action_params:\n  loud: yes\n"), "6:9", 'loud: must be boolean, got "yes"', "true or false"],
    ["too small", rule("action_params:\n  times: 0\n"), "6:10", "times: must be >= 1", "how often"],
    [
      "unknown action parameter",
      rule("action_params:\n  nam: x\n"),
      "6:3",
      "action_params: unknown parameter `nam`",
      "did you mean `name`?",
    ],
  ])("%s", async (_, yaml, place, message, hint) => {
    const problems = await problemsOf(yaml);
    expect(problems.map(brief)).toEqual([expect.stringMatching(new RegExp(`^error rules/r\\.yaml:${place} `))]);
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.hint).toContain(hint);
  });

  test("all mistakes of a rule are told at once, and templates are left to the event", async () => {
    const yaml = rule('action_params:\n  times: "{{ payload.n }}"\n  name: 5\n  louder: true\n');
    expect((await problemsOf(yaml)).map(brief)).toEqual([
      expect.stringContaining("rules/r.yaml:8:3 action_params: unknown parameter `louder`"),
      expect.stringContaining("rules/r.yaml:7:9 action_params: name: must be string"),
    ]);
    expect(
      await problemsOf(rule('action_params: {times: "{{ payload.n }}", name: "{{ payload.a }} and {{ payload.b }}"}\n')),
    ).toEqual([]);
  });
});

describe("expressions", () => {
  test.each([
    ["plain", "when: paylod.a == 1\n", "5:7", "did you mean `payload`?"],
    ["plain, later", "when: event.payload.a == 1 && paylod.b\n", "5:31", "did you mean `payload`?"],
    ["single quotes", "when: 'payload.a == ''x'' && paylod.b'\n", "5:30", "payload"],
    ["double quotes", 'when: "payload.a == \\"x\\" && paylod.b"\n', "5:30", "payload"],
    ["unicode escape", "when: \"payload.a == '\\u00e9' && paylod.b\"\n", "5:33", "payload"],
    ["block", "when: |\n  payload.a == 1\n\n    && paylod.b\n", "8:8", "payload"],
    ["folded, at its start", "when: >\n  payload.a == 1\n  && paylod.b\n", "5:7", "payload"],
    ["unfinished", "when: payload.a ==\n", "5:19", "expressions are CEL"],
    ["pattern", "when: payload.a.matches('[')\n", "5:25", ""],
    ["template", 'action_params:\n  name: "to {{ paylod.x == 1 }}"\n', "6:16", "payload"],
    ["template without an end", "action_params:\n  name: hi {{ payload.x\n", "6:12", "braces"],
    ["path", 'action_params:\n  name: "{{ event.paylod.x }}"\n', "6:13", "event.payload"],
    ["conditions", 'conditions:\n  expression: "payload.a is None"\n', "6:26", "== null"],
    ["translated conditions, at their start", "conditions:\n  expression: not paylod.a\n", "6:15", "payload"],
    ["operator", "conditions:\n  - {field: a, operator: equal, value: 1}\n", "6:26", "equals"],
  ])("%s", async (_, yaml, place, hint) => {
    const problems = await problemsOf(rule(yaml));
    expect(problems.map(brief)).toEqual([expect.stringMatching(new RegExp(`^error rules/r\\.yaml:${place} `))]);
    expect(problems[0]?.hint ?? "").toContain(hint);
    expect(problems[0]?.message).not.toContain("column");
  });

  test("outside of a file the column is part of the message", () => {
    const made = { when: "payload.a ==\n  frob", conditions: {}, action_params: {} } as unknown as RuleDefinition;
    expect(() => compileRule(made)).toThrow("unknown variable: frob at line 2, column 3");
    expect(() => compileRule({ ...made, when: null, action_params: { to: ["{{ paylod.x == 1 }}"] } })).toThrow("at column 4");
  });
});

test("between packs that are served, the same is found with what does not exist", async () => {
  const scanned = await scanFiles(`${temp.path}/across`, {
    "rules/bad.yaml": "ref: bad\ntrigger_ref: q.tick\naction_ref: p.a\ntrigger_params: {at: 99 * * * *}\n",
    "rules/lost.yaml": "ref: lost\ntrigger_ref: q.tik\naction_ref: p.b\n",
    "actions/a.yaml": files["actions/a.yaml"],
    "actions/a.sh": files["actions/a.sh"],
  });
  const other = await scanPack(
    writePack(`${temp.path}/across/q`, {
      "pack.yaml": "ref: q\nversion: 1.0.0\n",
      "triggers/tick.yaml": "ref: q.tick\nparameters: {at: {type: string, format: cron}}\n",
    }),
    { runtimeNames: builtinNames },
  );
  const pack = { ...scanned, manifest: scanned.manifest as PackManifest, snapshot: null, kept: new Map() };
  const packs = new Map(
    [scanned, other].map((scan) => [scan.ref, { ...pack, ...scan, manifest: scan.manifest as PackManifest }]),
  );
  const registry = buildRegistry(emptyRegistry, { packs, runtimes: [], rules: [] }, compileRule);
  const problems = problemsAcross(registry, pack, scanned.placeOf);
  expect(problems.map(brief)).toEqual([
    expect.stringMatching(/^error rules\/bad\.yaml:4:22 trigger_params: at: must be a cron expression .* minute: 99/),
    "error rules/lost.yaml:2:14 there is no trigger q.tik",
    "error rules/lost.yaml:3:13 there is no action p.b",
  ]);
  expect(problems.map(({ hint }) => hint)).toEqual([
    expect.stringContaining("for example"),
    "did you mean q.tick?",
    "did you mean p.a?",
  ]);
  expect(problems[1]?.frame).toBe("  1 | ref: lost\n> 2 | trigger_ref: q.tik\n    |              ^\n  3 | action_ref: p.b");
});

test("the place of a wrong parameter is known however many there are", async () => {
  const many = Array.from({ length: 1_000 }, (_, i) => `  p${i}: 1`).join("\n");
  let scanned!: Awaited<ReturnType<typeof scanFiles>>;
  const spent = await processorTime(async () => {
    scanned = await scanFiles(`${temp.path}/many`, {
      "rules/r.yaml": `ref: r\ntrigger_ref: t\naction_ref: a\ntrigger_params:\n${many}\n`,
    });
  });
  expect(spent).toBeLessThan(1_000);
  expect(scanned.placeOf("rules/r.yaml", "trigger_params.p7")).toEqual({ line: 12, column: 7 });
  expect(scanned.placeOf("rules/r.yaml", "trigger_params.p7", "key")).toEqual({ line: 12, column: 3 });
  expect(scanned.placeOf("rules/r.yaml", "trigger_params.p999")).toBeUndefined();
});
