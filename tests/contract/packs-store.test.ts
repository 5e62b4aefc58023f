import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { insertApiRule, retireRule, setRuleEnabled } from "../../src/core/packs/reload/rule-store.ts";
import type { Storage } from "../../src/core/plugin.ts";
import type { RuleDefinition } from "../../src/core/registry.ts";
import { createPacks, smallPack, type TestPacks, withPostgres } from "../support/engine.ts";
import { brief } from "../support/pack-scans.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database } = withPostgres();

/** ref to `id xmin` of every row that is not retired: another xmin means that the row was written. */
async function rows(storage: Storage, table: string): Promise<Record<string, string>> {
  const { rows } = await storage.query<{ ref: string; mark: string }>(
    `SELECT ref, id || ' ' || xmin AS mark FROM ${table} WHERE retired_at IS NULL ORDER BY ref`,
  );
  return Object.fromEntries(rows.map(({ ref, mark }) => [ref, mark]));
}
async function everything(storage: Storage) {
  const tables = ["pack", "trigger", "action", "sensor", "rule", "runtime"];
  const found = await Promise.all(tables.map((table) => rows(storage, table)));
  return Object.fromEntries(tables.map((table, i) => [table, found[i] ?? {}]));
}
const idOf = (mark: string | undefined) => mark?.split(" ")[0];

async function ruleRow(storage: Storage, ref: string) {
  const { rows } = await storage.query<{ enabled: boolean; override: boolean | null; armed_at: Date; retired_at: Date | null }>(
    "SELECT enabled, override, armed_at, retired_at FROM rule WHERE ref = $1",
    [ref],
  );
  return rows[0]!;
}

const apiRule = (ref: string, more: Partial<RuleDefinition> = {}): RuleDefinition => ({
  kind: "rule",
  ref,
  pack: "p",
  label: ref,
  description: null,
  enabled: true,
  tags: [],
  file: "",
  hash: "api",
  trigger: "p.t",
  action: "p.a",
  when: null,
  conditions: null,
  trigger_params: {},
  action_params: {},
  ...more,
});
const createApiRule = (packs: TestPacks, storage: Storage, rule: RuleDefinition) =>
  packs.reconciler.changeRules(async () => {
    expect(await insertApiRule(storage, rule)).toBe(true);
  });

describe("what is on disk", () => {
  test("loading it again writes nothing, and an edit writes only what it changed", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write(smallPack("echo hi", { r1: "", r2: "" }));
    packs.write({
      "p/sensors/s.yaml": "ref: p.s\nrunner_type: shell\nentry_point: s.sh\ntrigger_types: [p.t]\n",
      "p/sensors/s.sh": "#!/bin/sh\n",
    });
    const [report] = (await packs.reconciler.reload()).filter(({ pack }) => pack === "p");
    expect(report).toMatchObject({ added: expect.arrayContaining(["p.t", "p.a", "p.s", "p.r1", "p.r2"]), problems: [] });
    const before = await everything(db.storage);
    expect(Object.keys(before["rule"] ?? {})).toEqual(["p.r1", "p.r2"]);

    await packs.reconciler.reload();
    expect(await everything(db.storage)).toEqual(before);

    packs.write({ "p/rules/r2.yaml": "ref: p.r2\ntrigger_ref: p.t\naction_ref: p.a\nlabel: Second\n" });
    const [change] = (await packs.reconciler.reload("p")).filter(({ pack }) => pack === "p");
    expect(change).toMatchObject({ added: [], changed: ["p.r2"], removed: [] });
    const after = await everything(db.storage);
    expect(idOf(after["rule"]?.["p.r2"])).toBe(idOf(before["rule"]?.["p.r2"])!);
    expect(after["rule"]?.["p.r2"]).not.toEqual(before["rule"]?.["p.r2"]);
    expect({ ...after, rule: { ...after["rule"], "p.r2": "" } }).toEqual({ ...before, rule: { ...before["rule"], "p.r2": "" } });
  });

  test("a second daemon on the same rows finds nothing to write", async () => {
    await using db = await database();
    using first = await createPacks(db.storage);
    first.write(smallPack("echo hi", { r: "action_params: {message: '{{ event.payload.x }}'}\n" }));
    await first.reconciler.reload();
    const before = await everything(db.storage);
    using second = await createPacks(db.storage);
    second.write(smallPack("echo hi", { r: "action_params: {message: '{{ event.payload.x }}'}\n" }));
    await second.reconciler.reload();
    expect(await everything(db.storage)).toEqual(before);
  });

  test("what vanished is retired and comes back with its id; its rules stop meanwhile", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write(smallPack("echo hi", { r: "" }));
    await packs.reconciler.reload();
    const before = await everything(db.storage);

    rmSync(join(packs.dir, "p/actions/a.yaml"));
    await packs.reconciler.reload();
    expect(await rows(db.storage, "action")).toEqual({});
    expect(packs.reconciler.registry.rules.get("p.r")).toMatchObject({ unresolved: "there is no action p.a" });
    expect(packs.reconciler.registry.rulesByTrigger.get("p.t")).toBeUndefined();

    rmSync(join(packs.dir, "p"), { recursive: true });
    await packs.reconciler.reload();
    for (const table of ["trigger", "rule"]) expect(await rows(db.storage, table)).toEqual({});
    expect(Object.keys(await rows(db.storage, "pack"))).toEqual(["core"]);
    expect(packs.reconciler.registry.rules.size).toBe(0);

    packs.write(smallPack("echo hi", { r: "" }));
    await packs.reconciler.reload();
    const after = await everything(db.storage);
    const ids = (all: typeof before) =>
      Object.entries(all).map(([table, marks]) => [table, Object.entries(marks).map(([ref, mark]) => [ref, idOf(mark)])]);
    expect(ids(after)).toEqual(ids(before));
    expect(packs.reconciler.registry.rulesByTrigger.get("p.t")).toHaveLength(1);
  });
});

describe("what the operator said", () => {
  test("survives reloads: an override of a pack's rule, until it is taken back", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write(smallPack("echo hi", { r: "" }));
    await packs.reconciler.reload();
    const isEnabled = () => packs.reconciler.registry.rules.get("p.r")?.enabled;

    await packs.reconciler.changeRules(() => setRuleEnabled(db.storage, "p.r", false));
    expect(isEnabled()).toBe(false);
    packs.write({ "p/rules/r.yaml": "ref: p.r\ntrigger_ref: p.t\naction_ref: p.a\nlabel: edited\n" });
    await packs.reconciler.reload();
    expect(isEnabled()).toBe(false);
    expect(await ruleRow(db.storage, "p.r")).toMatchObject({ enabled: true, override: false });

    await packs.reconciler.changeRules(() => setRuleEnabled(db.storage, "p.r", true));
    expect(isEnabled()).toBe(true);
    expect(await ruleRow(db.storage, "p.r")).toMatchObject({ enabled: true, override: null });
  });

  test("a rule made through the API is left alone by reloads, waits while its action is gone, and can be made again", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write(smallPack("echo hi"));
    await packs.reconciler.reload();
    await createApiRule(packs, db.storage, apiRule("p.mine", { when: "event.payload.x == 1" }));
    const before = await rows(db.storage, "rule");

    rmSync(join(packs.dir, "p"), { recursive: true });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.rules.get("p.mine")).toMatchObject({ source: "api", unresolved: "there is no trigger p.t" });
    packs.write(smallPack("echo hi"));
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.rules.get("p.mine")).toMatchObject({
      unresolved: null,
      definition: { when: "event.payload.x == 1" },
    });
    expect(await rows(db.storage, "rule")).toEqual(before);

    expect(await insertApiRule(db.storage, apiRule("p.mine"))).toBe(false);
    await packs.reconciler.changeRules(() => retireRule(db.storage, "p.mine"));
    expect(packs.reconciler.registry.rules.has("p.mine")).toBe(false);
    await createApiRule(packs, db.storage, apiRule("p.mine", { enabled: false }));
    expect(packs.reconciler.registry.rules.get("p.mine")?.enabled).toBe(false);
  });

  test("a pack's rule of the same ref does not take an API rule over, and the pack is told", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write(smallPack("echo hi"));
    await packs.reconciler.reload();
    await createApiRule(packs, db.storage, apiRule("p.r", { label: "the operator's" }));
    packs.write(smallPack("echo hi", { r: "label: the pack's\n" }));
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.rules.get("p.r")).toMatchObject({ source: "api", definition: { label: "the operator's" } });
    expect(packs.reconciler.registry.packs.get("p")?.problems.map(brief)).toEqual([
      "error rules/r.yaml:1:6 there is already a rule p.r, made through the API",
    ]);
    await packs.reconciler.changeRules(() => retireRule(db.storage, "p.r"));
    packs.write({ "p/rules/r.yaml": "ref: p.r\ntrigger_ref: p.t\naction_ref: p.a\nlabel: the pack's again\n" });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.rules.get("p.r")).toMatchObject({
      source: "pack",
      definition: { label: "the pack's again" },
    });
  });

  test("a rule is armed anew only by another trigger or other trigger_params", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    const rule = (text: string) => smallPack("echo hi", { r: text });
    const armedAfter = async (text: string) => {
      packs.write(rule(text));
      await packs.reconciler.reload();
      return (await ruleRow(db.storage, "p.r")).armed_at.getTime();
    };
    packs.write({ "p/triggers/u.yaml": "ref: p.u\n" });
    const first = await armedAfter("trigger_params: {interval: 5}\n");
    expect(await armedAfter("trigger_params: {interval: 5}\nlabel: other\nwhen: event.payload.x == 1\n")).toBe(first);
    const second = await armedAfter("trigger_params: {interval: 6}\n");
    expect(second).toBeGreaterThan(first);
    packs.write({ "p/rules/r.yaml": "ref: p.r\ntrigger_ref: p.u\naction_ref: p.a\ntrigger_params: {interval: 6}\n" });
    await packs.reconciler.reload();
    const third = (await ruleRow(db.storage, "p.r")).armed_at.getTime();
    expect(third).toBeGreaterThan(second);
    expect(new Date(packs.reconciler.registry.rules.get("p.r")?.armedAt ?? 0).getTime()).toBe(third);
  });
});
