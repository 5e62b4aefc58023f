import { describe, expect, test } from "bun:test";
import { wantedSensors } from "../../src/core/engine/sensors.ts";
import { AttuneError } from "../../src/core/errors.ts";
import type { Action, FlatSchema, LoadedPack, RuleDefinition, Runtime, Sensor, Trigger } from "../../src/core/registry.ts";
import { emptyRegistry } from "../../src/core/registry.ts";
import { buildRegistry, type CompileRule, type RuleRow } from "../../src/core/registry-build.ts";
import { noSurroundings } from "../support/engine.ts";

const none: FlatSchema = {};
const component = (ref: string) => ({
  ref,
  pack: "p",
  label: ref,
  description: null,
  enabled: true,
  tags: [],
  file: `${ref}.yaml`,
  hash: `hash of ${ref}`,
});
const trigger = (ref: string, more: Partial<Trigger> = {}): Trigger => ({
  ...component(ref),
  kind: "trigger",
  type: null,
  parameters: none,
  output: none,
  ...more,
});
const action = (ref: string): Action => ({
  ...component(ref),
  kind: "action",
  warm: true,
  runtime: "core.x",
  runtime_version: null,
  entrypoint: "/p/a",
  inline: false,
  entry_point: "a",
  dir: "/p",
  parameters: none,
  output: none,
  delivery: "compat",
  format: "json",
  output_format: "text",
  timeout: null,
});
const sensor = (ref: string, triggers: string[], more: Partial<Sensor> = {}): Sensor => ({
  ...component(ref),
  kind: "sensor",
  runtime: "core.x",
  runtime_version: null,
  entrypoint: "/p/s",
  entry_point: "s",
  dir: "/p",
  triggers,
  parameters: none,
  config: {},
  control: "restart",
  ...more,
});
const rule = (ref: string, more: Partial<RuleDefinition> = {}): RuleDefinition => ({
  ...component(ref),
  kind: "rule",
  trigger: "p.t",
  action: "p.a",
  when: null,
  conditions: null,
  trigger_params: {},
  action_params: {},
  ...more,
});
const row = (id: number, ref: string, more: Partial<RuleRow> = {}): RuleRow => ({
  id,
  ref,
  source: "pack",
  enabled: true,
  override: null,
  armedAt: "2026-01-01T00:00:00.000Z",
  created: "",
  updated: "",
  ...more,
});
const byRef = <C extends { ref: string }>(list: readonly C[]) => new Map(list.map((one) => [one.ref, one]));
const runtime: Runtime = {
  ref: "core.x",
  name: "x",
  description: null,
  aliases: [],
  extensions: [],
  source: "plugin",
  revision: "1",
  environment: null,
  refused: { action: null, sensor: null },
  state: { available: true, interpreters: [{}] },
  launch: () => ({ argv: ["x"] }),
};
const compile: CompileRule = () => ({ decide: () => ({ fires: true }), render: () => ({}) });

interface World {
  readonly triggers: Trigger[];
  readonly sensors: Sensor[];
  readonly actions: Action[];
  readonly rules: { definition: RuleDefinition; row: RuleRow }[];
  readonly runtimes: Runtime[];
  readonly packEnabled: boolean;
}
function build(world: Partial<World>, compiling = compile) {
  const {
    triggers = [trigger("p.t")],
    sensors = [],
    actions = [action("p.a")],
    rules = [],
    runtimes = [runtime],
    packEnabled = true,
  } = world;
  const pack: LoadedPack = {
    ref: "p",
    dir: "/p",
    manifest: {
      ...{
        ref: "p",
        label: "p",
        description: null,
        version: "1.0.0",
        author: null,
        email: null,
        system: false,
        enabled: packEnabled,
      },
      ...{ conf_schema: {}, config: {}, meta: {}, tags: [], runtime_deps: [], dependencies: [], warm: true, hash: "1" },
      testing: { enabled: true, path: "tests", runners: [], minPassRate: 1, onFailure: "block" },
    },
    actions: byRef(actions),
    triggers: byRef(triggers),
    sensors: byRef(sensors),
    rules: byRef(rules.map(({ definition }) => definition)),
    runtimes: new Map(),
    problems: [],
    snapshot: null,
    kept: new Map(),
  };
  return buildRegistry(emptyRegistry, { packs: new Map([["p", pack]]), runtimes, rules }, compiling);
}
const standing = (more: Partial<World>) => {
  const built = build({ rules: [{ definition: rule("p.r"), row: row(1, "p.r") }], ...more });
  return { unresolved: built.rules.get("p.r")?.unresolved, fires: built.rulesByTrigger.has("p.t") };
};

describe("rules", () => {
  test("are tied to what is there now, and say what is missing", () => {
    expect(standing({})).toEqual({ unresolved: null, fires: true });
    expect(standing({ triggers: [] })).toEqual({ unresolved: "there is no trigger p.t", fires: false });
    expect(standing({ triggers: [trigger("p.t", { enabled: false })] })).toEqual({
      unresolved: "trigger p.t is disabled",
      fires: false,
    });
    expect(standing({ actions: [] })).toEqual({ unresolved: "there is no action p.a", fires: false });
  });

  test("are on or off by the operator's override, else by their definition, and off with their pack", () => {
    const enabled = (more: Partial<RuleRow>, packEnabled = true) =>
      build({ rules: [{ definition: rule("p.r"), row: row(1, "p.r", more) }], packEnabled }).rules.get("p.r")?.enabled;
    expect(enabled({})).toBe(true);
    expect(enabled({ enabled: false })).toBe(false);
    expect(enabled({ override: false })).toBe(false);
    expect(enabled({ enabled: false, override: true })).toBe(true);
    expect(enabled({ override: true }, false)).toBe(false);
  });

  test("that do not compile are served as unresolved with the reason", () => {
    const failing: CompileRule = () => {
      throw new AttuneError("EXPRESSION_INVALID", "expected )");
    };
    const built = build({ rules: [{ definition: rule("p.r"), row: row(1, "p.r") }] }, failing);
    expect(built.rules.get("p.r")?.unresolved).toBe("expected )");
    expect(built.rulesByTrigger.size).toBe(0);
  });

  test("are found by ref, id and trigger; a new registry is a new generation", () => {
    const built = build({ rules: [1, 2].map((id) => ({ definition: rule(`p.r${id}`), row: row(id, `p.r${id}`) })) });
    expect(built.generation).toBe(1);
    expect(built.rulesById.get(2)).toBe(built.rules.get("p.r2")!);
    expect(built.rulesByTrigger.get("p.t")?.map(({ id }) => id)).toEqual([1, 2]);
  });
});

describe("wanted sensors", () => {
  const rules = [{ definition: rule("p.r"), row: row(1, "p.r") }];
  const wanted = (more: Partial<World> = {}) =>
    wantedSensors(build({ sensors: [sensor("p.s", ["p.t"])], rules, ...more }), noSurroundings);

  test("are those an active rule needs", () => {
    expect(wanted().map(({ ref }) => ref)).toEqual(["p.s"]);
    expect(wanted({ rules: [] })).toEqual([]);
    expect(wanted({ rules: [{ definition: rule("p.r"), row: row(1, "p.r", { override: false }) }] })).toEqual([]);
    expect(wanted({ sensors: [sensor("p.s", ["p.t"], { enabled: false })] })).toEqual([]);
    expect(wanted({ sensors: [sensor("p.s", ["p.other"])] })).toEqual([]);
    expect(wanted({ packEnabled: false })).toEqual([]);
  });

  test("without their runtime say so", () => {
    expect(wanted({ runtimes: [] })).toMatchObject([{ unavailable: "runtime unavailable: nothing provides core.x" }]);
    const missing: Runtime = { ...runtime, state: { available: false, reason: "x is not installed" } };
    expect(wanted({ runtimes: [missing] })).toMatchObject([{ unavailable: "runtime unavailable: core.x: x is not installed" }]);
  });

  const change = (control: Sensor["control"]) => {
    const sensors = [sensor("p.s", ["p.t"], { control })];
    const params = (interval: number, more: Partial<RuleDefinition> = {}) =>
      wanted({
        sensors,
        rules: [{ definition: rule("p.r", { trigger_params: { interval }, ...more }), row: row(1, "p.r") }],
      })[0]!;
    return { before: params(1), relabelled: params(1, { label: "new", when: "true" }), changed: params(2) };
  };

  test("that listen keep their identity when rules change, and get a new revision", () => {
    const { before, relabelled, changed } = change("stdin");
    expect(changed.identity).toBe(before.identity);
    expect(changed.revision).not.toBe(before.revision);
    expect(relabelled.revision).toBe(before.revision);
  });

  test("that do not listen are another process when rules change, but not for what they never see", () => {
    const { before, relabelled, changed } = change("restart");
    expect(before.revision).toBeNull();
    expect(changed.identity).not.toBe(before.identity);
    expect(relabelled.identity).toBe(before.identity);
  });
});
