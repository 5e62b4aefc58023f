import type { Problem } from "../core/plugin.ts";
import {
  type Action,
  findAction,
  findTrigger,
  type LoadedPack,
  type Registry,
  type Rule,
  type Sensor,
  type Trigger,
} from "../core/registry.ts";
import { maskSecrets } from "../core/schema/secrets.ts";
import { maskSchema } from "./mask.ts";
import type { BrokenPack, ReloadReport, SensorState } from "./services.ts";

/** The JSON of what is loaded: snake_case, in the fields clients know. */

export function packView(pack: LoadedPack) {
  const { ref, label, description, version, enabled, author, tags } = pack.manifest;
  const components = {
    actions: pack.actions.size,
    triggers: pack.triggers.size,
    sensors: pack.sensors.size,
    rules: pack.rules.size,
    runtimes: pack.runtimes.size,
  };
  return {
    ref,
    label,
    description,
    version: version as string | null,
    enabled,
    author,
    tags,
    components,
    ...problemLists(pack.problems),
  };
}
export type PackView = ReturnType<typeof packView>;

/** A pack no version of which could be served yet. */
export function brokenPackView({ ref, problems }: BrokenPack): PackView {
  const components = { actions: 0, triggers: 0, sensors: 0, rules: 0, runtimes: 0 };
  return {
    ref,
    label: ref,
    description: null,
    version: null,
    enabled: false,
    author: null,
    tags: [],
    components,
    ...problemLists(problems),
  };
}

export function reloadView({ problems, ...report }: ReloadReport) {
  return { ...report, ...problemLists(problems) };
}

function problemLists(problems: readonly Problem[]) {
  const of = (severity: Problem["severity"]) =>
    problems.filter((problem) => problem.severity === severity).map(({ severity: _, ...problem }) => problem);
  return { errors: of("error"), warnings: of("warning") };
}

export function actionView(action: Action) {
  return {
    ref: action.ref,
    pack_ref: action.pack,
    label: action.label,
    description: action.description,
    runtime: action.runtime,
    entry_point: action.entry_point,
    parameters: maskSchema(action.parameters),
    output: action.output,
    timeout_seconds: action.timeout,
    enabled: action.enabled,
    tags: action.tags,
    file: action.file,
  };
}

export function triggerView(trigger: Trigger) {
  return {
    ref: trigger.ref,
    pack_ref: trigger.pack,
    label: trigger.label,
    description: trigger.description,
    type: trigger.type,
    parameters: maskSchema(trigger.parameters),
    output: trigger.output,
    enabled: trigger.enabled,
    tags: trigger.tags,
    file: trigger.file,
  };
}

export function ruleView(registry: Registry, rule: Rule) {
  const { ref, pack, label, description, trigger, action, when, conditions, trigger_params, action_params } = rule.definition;
  return {
    id: rule.id,
    ref,
    pack_ref: rule.source === "pack" ? pack : null,
    label,
    description,
    trigger_ref: trigger,
    action_ref: action,
    enabled: rule.enabled,
    when,
    conditions,
    trigger_params: maskSecrets(findTrigger(registry, trigger)?.parameters ?? {}, trigger_params),
    action_params: maskSecrets(findAction(registry, action)?.parameters ?? {}, action_params),
    source: rule.source,
    unresolved: rule.unresolved,
    armed_at: rule.armedAt,
    created: rule.created,
    updated: rule.updated,
  };
}

export function sensorView(sensor: Sensor, state: SensorState | undefined) {
  return {
    ref: sensor.ref,
    pack_ref: sensor.pack,
    label: sensor.label,
    description: sensor.description,
    status: state?.status ?? "stopped",
    pid: state?.pid ?? null,
    restarts: state?.restarts ?? 0,
    reason: state?.reason ?? null,
    last_exit: state?.lastExit ?? null,
    trigger_refs: sensor.triggers,
    runtime: sensor.runtime,
    entry_point: sensor.entry_point,
    enabled: sensor.enabled,
    file: sensor.file,
  };
}
