import type { NewRule } from "../../src/api/services.ts";
import type { Problem } from "../../src/core/plugin.ts";
import type { PluginState } from "../../src/core/plugins/state.ts";
import {
  type Action,
  emptyRegistry,
  type LoadedPack,
  type Registry,
  type Rule,
  type Sensor,
  type Trigger,
} from "../../src/core/registry.ts";

/** One pack with a bit of everything, as the registry holds it. */

export const time = "2026-11-23T10:00:00.000Z";

const component = (ref: string) => ({
  ref,
  pack: "demo",
  label: ref,
  description: `about ${ref}`,
  enabled: true,
  tags: [],
  file: `${ref}.yaml`,
  hash: ref,
});
const scripted = { runtime: "core.shell", runtime_version: null, entrypoint: "/demo/x.sh", entry_point: "x.sh", dir: "/demo" };

function demoAction(ref: string, parameters: Action["parameters"] = {}): Action {
  return {
    ...component(ref),
    ...scripted,
    kind: "action",
    inline: false,
    warm: true,
    parameters,
    output: {},
    delivery: "compat",
    format: "json",
    output_format: "text",
    timeout: null,
  } as Action;
}
const trigger: Trigger = {
  ...component("demo.pinged"),
  kind: "trigger",
  type: "custom",
  parameters: { secret_key: { type: "string", secret: true } },
  output: { level: { type: "integer" } },
};
const sensor: Sensor = {
  ...component("demo.watcher"),
  ...scripted,
  kind: "sensor",
  triggers: ["demo.pinged"],
  parameters: {},
  config: {},
  control: "restart",
};
export const problem: Problem = {
  severity: "error",
  file: "actions/bad.yaml",
  line: 3,
  column: 7,
  message: "unknown type \u001b[2Jstring",
  hint: "write string",
};

export function demoRule(rule: Partial<NewRule> & { ref: string }, id: number, source: Rule["source"], enabled = true): Rule {
  return {
    id,
    definition: {
      ...component(rule.ref),
      kind: "rule",
      trigger: rule.trigger ?? "demo.pinged",
      action: rule.action ?? "demo.greet",
      when: rule.when ?? null,
      conditions: rule.conditions ?? null,
      trigger_params: rule.trigger_params ?? {},
      action_params: rule.action_params ?? {},
    },
    source,
    enabled,
    armedAt: time,
    created: time,
    updated: time,
    unresolved: null,
    decide: () => ({ fires: true }),
    render: () => ({}),
  } as Rule;
}

export function demoRegistry(): Registry {
  const actions = [
    demoAction("demo.greet", {
      name: { type: "string" },
      times: { type: "integer" },
      password: { type: "string", secret: true },
    }),
    demoAction("demo.fail"),
    demoAction("demo.wait"),
  ];
  const pack: LoadedPack = {
    ref: "demo",
    dir: "/demo",
    manifest: {
      ref: "demo",
      label: "Demo",
      description: null,
      version: "1.2.3",
      author: null,
      email: null,
      system: false,
      enabled: true,
      conf_schema: {},
      config: {},
      meta: {},
      tags: [],
      runtime_deps: [],
      dependencies: [],
      warm: true,
      testing: { enabled: true, path: "tests", runners: [], minPassRate: 1, onFailure: "block" },
      hash: "x",
    },
    actions: new Map(actions.map((action) => [action.ref, action])),
    triggers: new Map([[trigger.ref, trigger]]),
    sensors: new Map([[sensor.ref, sensor]]),
    rules: new Map(),
    runtimes: new Map(),
    problems: [problem],
    snapshot: null,
    kept: new Map(),
  };
  const rules = [
    demoRule(
      { ref: "demo.packed", trigger_params: { secret_key: "hush" }, action_params: { name: "Ada", password: "hush" } },
      7,
      "pack",
    ),
    demoRule({ ref: "demo.off" }, 8, "api", false),
  ];
  return {
    ...emptyRegistry,
    generation: 1,
    packs: new Map([["demo", pack]]),
    rules: new Map(rules.map((rule) => [rule.definition.ref, rule])),
    runtimes: new Map([
      [
        "core.ruby",
        {
          ref: "core.ruby",
          name: "ruby",
          description: null,
          aliases: ["rb"],
          extensions: [".rb"],
          source: "runtimes/ruby.yaml",
          revision: "1",
          environment: null,
          refused: { action: null, sensor: null },
          state: { available: false, reason: "ruby is not on the PATH" },
          launch: () => ({ argv: ["ruby"] }),
        },
      ],
    ]),
  };
}

/** One that serves, and a file that claims its name. */
export const demoPlugins: readonly PluginState[] = [
  {
    name: "awk",
    kind: null,
    source: "file",
    file: "/project/plugins/gawk.ts",
    status: "rejected",
    error: {
      message: "the name awk is taken",
      file: "/project/plugins/gawk.ts",
      line: 3,
      column: 3,
      hint: "another",
      frame: null,
    },
    note: null,
    hooks: [],
    runtime: null,
  },
  {
    name: "awk",
    kind: "runtime",
    source: "file",
    file: "/project/plugins/awk.ts",
    status: "active",
    error: null,
    note: null,
    hooks: ["daemon:ready"],
    runtime: "local.awk",
  },
];
