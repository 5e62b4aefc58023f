import { AttuneError, nearest } from "./errors.ts";
import type { EnvironmentRecipe, Interpreter, Json, JsonObject, Launch, LaunchTarget, Problem } from "./plugin.ts";
import type { RuntimeDefinition } from "./runtimes/definition.ts";

export type { RuntimeDefinition };

/**
 * What the daemon serves at one moment. A value: a reload makes the next one and replaces it whole, so whoever holds
 * one sees a consistent world for as long as it needs to.
 */
export interface Registry {
  /** Grows by one with each replacement. */
  readonly generation: number;
  readonly packs: ReadonlyMap<string, LoadedPack>;
  readonly runtimes: ReadonlyMap<string, Runtime>;
  /** Every word usable as `runner_type`, lower case, to the ref of its runtime. */
  readonly runtimeNames: ReadonlyMap<string, string>;
  /** Rules by ref, those of packs and those made through the API. */
  readonly rules: ReadonlyMap<string, Rule>;
  readonly rulesById: ReadonlyMap<number, Rule>;
  /** Enabled, resolved rules by the ref of their trigger: the only lookup made per event. */
  readonly rulesByTrigger: ReadonlyMap<string, readonly Rule[]>;
}

/** A pack as it is served: the last good version of each of its components. */
export interface LoadedPack {
  readonly ref: string;
  readonly dir: string;
  readonly manifest: PackManifest;
  readonly actions: ReadonlyMap<string, Action>;
  readonly triggers: ReadonlyMap<string, Trigger>;
  readonly sensors: ReadonlyMap<string, Sensor>;
  readonly rules: ReadonlyMap<string, RuleDefinition>;
  readonly runtimes: ReadonlyMap<string, RuntimeDefinition>;
  readonly problems: readonly Problem[];
  /** The copy of its files that scripts run from; null when none could be made, so they run from `dir`. */
  readonly snapshot: SnapshotRef | null;
  /** Components that are served as they last worked, and the copy that goes with them. */
  readonly kept: ReadonlyMap<string, SnapshotRef | null>;
}

/** A read-only copy of a pack's files. */
export interface SnapshotRef {
  /** Content hash. */
  readonly hash: string;
  readonly dir: string;
}

/** `pack.yaml`, contract 1.4. */
export interface PackManifest {
  readonly ref: string;
  readonly label: string;
  readonly description: string | null;
  readonly version: string;
  readonly author: string | null;
  readonly email: string | null;
  readonly system: boolean;
  readonly enabled: boolean;
  readonly conf_schema: FlatSchema;
  readonly config: JsonObject;
  readonly meta: JsonObject;
  readonly tags: readonly string[];
  readonly runtime_deps: readonly string[];
  readonly dependencies: readonly PackDependency[];
  /** false: none of its actions is started by a warm server. */
  readonly warm: boolean;
  readonly testing: PackTesting;
  readonly hash: string;
}
/** The section `testing` of `pack.yaml`. */
export interface PackTesting {
  readonly enabled: boolean;
  /** Directory in the pack with the files of cases. */
  readonly path: string;
  readonly runners: readonly TestRunner[];
  /** From 0 to 1: the share of the tests that must pass. */
  readonly minPassRate: number;
  readonly onFailure: "block" | "warn";
}
export interface TestRunner {
  /** A word for a runtime. */
  readonly runtime: string;
  readonly type: "script" | "unittest" | "pytest";
  /** File or directory, relative to the pack. */
  readonly entryPoint: string;
  /** Seconds. */
  readonly timeout: number | null;
}

/** Another pack that a pack needs. */
export interface PackDependency {
  readonly ref: string;
  /** As semver writes it; null: any version. */
  readonly range: string | null;
}

interface Component {
  /** `pack.name` */
  readonly ref: string;
  readonly pack: string;
  readonly label: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  /** Path of its YAML file relative to the pack. */
  readonly file: string;
  /** Content hash of all that makes the component what it is, its code included. */
  readonly hash: string;
}

/** A flat schema (contract 1.3): property name to property. Both accepted forms are brought to this one. */
export type FlatSchema = { readonly [name: string]: JsonObject };

export interface Action extends Component {
  readonly kind: "action";
  /** Ref of the runtime; the word that was asked for while nothing has that name. */
  readonly runtime: string;
  /** Range of versions of the interpreter that it needs. */
  readonly runtime_version: string | null;
  /** false: never started by a warm server. */
  readonly warm: boolean;
  /** Absolute path of the script, or the script's text when `inline`. */
  readonly entrypoint: string;
  /** A shell action whose entry_point is itself the code (contract 2.2). */
  readonly inline: boolean;
  readonly entry_point: string;
  /** The pack's directory as the action sees it: its working directory. */
  readonly dir: string;
  readonly parameters: FlatSchema;
  readonly output: FlatSchema;
  readonly delivery: ParameterDelivery;
  readonly format: ParameterFormat;
  readonly output_format: OutputFormat;
  /** Seconds. */
  readonly timeout: number | null;
}
/** `compat`: nothing was stated, so stdin JSON and `ATTUNE_ACTION_*` together. */
export type ParameterDelivery = "compat" | "env" | "stdin" | "file";
export type ParameterFormat = "json" | "yaml" | "dotenv";
export type OutputFormat = "text" | "json" | "yaml" | "jsonl";

export interface Trigger extends Component {
  readonly kind: "trigger";
  readonly type: string | null;
  /** What a rule may set as trigger_params. */
  readonly parameters: FlatSchema;
  /** Shape of the payload. */
  readonly output: FlatSchema;
}

export interface Sensor extends Component {
  readonly kind: "sensor";
  readonly runtime: string;
  readonly runtime_version: string | null;
  readonly entrypoint: string;
  readonly entry_point: string;
  readonly dir: string;
  readonly triggers: readonly string[];
  readonly parameters: FlatSchema;
  readonly config: JsonObject;
  /** `stdin`: rule changes arrive as JSON lines; `restart`: the process is replaced. */
  readonly control: "stdin" | "restart";
}

/** What a file or the API states about a rule; not yet tied to a trigger and an action. */
export interface RuleDefinition extends Component {
  readonly kind: "rule";
  readonly trigger: string;
  readonly action: string;
  readonly when: string | null;
  readonly conditions: Json;
  readonly trigger_params: JsonObject;
  readonly action_params: JsonObject;
}

/** A rule with its row, its compiled decision and its standing. */
export interface Rule {
  readonly id: number;
  readonly definition: RuleDefinition;
  readonly source: "pack" | "api";
  /** The operator's override wins over what the definition says. */
  readonly enabled: boolean;
  /** When the rule got its present trigger and trigger_params, RFC 3339. */
  readonly armedAt: string;
  readonly created: string;
  readonly updated: string;
  /** Why it cannot fire: its trigger or action is missing. */
  readonly unresolved: string | null;
  readonly decide: Decide;
  readonly render: Render;
}
/** What a condition or a template can see of an event. */
export interface EventView {
  readonly id: string;
  readonly trigger: string;
  readonly payload: JsonObject;
  readonly created: string;
}
/** Whether the rule fires; when it does not, `reason` names the condition that failed. Throws EXPRESSION_FAILED. */
export type Decide = (event: EventView) => { readonly fires: true } | { readonly fires: false; readonly reason: string };
/** The action's parameters for one event, before defaults and validation. */
export type Render = (event: EventView, context: RenderContext) => JsonObject;
export interface RenderContext {
  readonly packConfig: JsonObject;
  /** RFC 3339 */
  readonly timestamp: string;
  readonly rule: { readonly id: number; readonly ref: string };
}

export interface Runtime {
  readonly ref: string;
  readonly name: string;
  readonly description: string | null;
  readonly aliases: readonly string[];
  readonly extensions: readonly string[];
  /** `built-in`, `config`, or the file it comes from. */
  readonly source: string;
  /** Changes whenever what it does may have changed: sensors that run on it are then started anew. */
  readonly revision: string;
  readonly state: RuntimeState;
  readonly launch: (target: LaunchTarget) => Launch | Promise<Launch>;
  readonly environment: EnvironmentRecipe | null;
  /** Why the operator keeps actions or sensors from using it; null where it may be used. */
  readonly refused: { readonly action: string | null; readonly sensor: string | null };
}
export type RuntimeState =
  /** The first interpreter is used when nothing else is asked for. */
  | { readonly available: true; readonly interpreters: readonly [Interpreter, ...Interpreter[]] }
  | { readonly available: false; readonly reason: string };

export const emptyRegistry: Registry = {
  generation: 0,
  packs: new Map(),
  runtimes: new Map(),
  runtimeNames: new Map(),
  rules: new Map(),
  rulesById: new Map(),
  rulesByTrigger: new Map(),
};

export function packOf(ref: string): string {
  return ref.slice(0, ref.indexOf("."));
}

export function findAction(registry: Registry, ref: string): Action | undefined {
  return registry.packs.get(packOf(ref))?.actions.get(ref);
}
export function findTrigger(registry: Registry, ref: string): Trigger | undefined {
  return registry.packs.get(packOf(ref))?.triggers.get(ref);
}
export function findSensor(registry: Registry, ref: string): Sensor | undefined {
  return registry.packs.get(packOf(ref))?.sensors.get(ref);
}

export function findRule(registry: Registry, target: { readonly id: number } | { readonly ref: string }): Rule | undefined {
  return "id" in target ? registry.rulesById.get(target.id) : registry.rules.get(target.ref);
}
/** The copy of the pack's files that a component runs from. */
export function snapshotOf(pack: LoadedPack, ref: string): SnapshotRef | null {
  return pack.kept.has(ref) ? (pack.kept.get(ref) ?? null) : pack.snapshot;
}
/** Whether events reach the rule. */
export function isActive(rule: Rule): boolean {
  return rule.enabled && rule.unresolved === null;
}

export function* allActions(registry: Registry): Generator<Action> {
  for (const pack of registry.packs.values()) yield* pack.actions.values();
}
export function* allTriggers(registry: Registry): Generator<Trigger> {
  for (const pack of registry.packs.values()) yield* pack.triggers.values();
}
export function* allSensors(registry: Registry): Generator<Sensor> {
  for (const pack of registry.packs.values()) yield* pack.sensors.values();
}

/** The action, or an AttuneError NOT_FOUND that names the nearest known ref. */
export function requireAction(registry: Registry, ref: string): Action {
  const action = findAction(registry, ref);
  if (action) return action;
  const near = nearest(
    ref,
    [...allActions(registry)].map((known) => known.ref),
  );
  throw new AttuneError("NOT_FOUND", `there is no action ${ref}`, {
    hint: near ? `did you mean ${near}?` : "attune action list shows them all",
  });
}
