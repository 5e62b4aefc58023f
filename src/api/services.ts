import type { EnvironmentView } from "../core/environments/slot.ts";
import type { GivenEvent, RuleExplanation } from "../core/events/explain.ts";
import type { ConfigEntry } from "../core/pack-config.ts";
import type { ReloadReport as EngineReport } from "../core/packs/reload/history.ts";
import type { FileDifference } from "../core/packs/versions/pack-files.ts";
import type { PackVersion } from "../core/packs/versions/pack-versions.ts";
import type { FileDiff } from "../core/packs/versions/version-diff.ts";
import type { ExecutionStatus, JsonObject, Problem } from "../core/plugin.ts";
import type { PluginState } from "../core/plugins/state.ts";
import type { ProcessState } from "../core/processes/supervisor.ts";
import type { FlatSchema, Registry, RuleDefinition } from "../core/registry.ts";
import type { EnforcementStatus, History } from "./history.ts";

/**
 * What the API needs of the engine, as plain functions. Every function rejects with an AttuneError; its code decides the
 * status of the response (`errors.ts`).
 */
export interface Services {
  registry(): Registry;
  /** Packs that have a directory but no version that could ever be served, with what is wrong with them. */
  brokenPacks(): readonly BrokenPack[];
  history: History;
  status(): DaemonStatus;
  /** Rescans one pack, or all. Rejects with NOT_FOUND for a ref that is neither served nor on disk. */
  reload(ref?: string): Promise<readonly ReloadReport[]>;
  /** Looks again for the interpreters of all runtimes; resolves when the registry serves what was found. */
  checkRuntimes(): Promise<void>;
  /**
   * Records and queues one execution. Rejects with NOT_FOUND, PARAMETERS_INVALID or RUNTIME_UNAVAILABLE before anything is
   * stored. The same key with the same action gives the id of the first call.
   */
  run(request: { action: string; parameters: JsonObject; idempotencyKey?: string }): Promise<{ id: string }>;
  /** Accepts an event. `key` makes it idempotent; `rule` is the ref of the only rule it is for. Rejects with NOT_FOUND or EVENT_INVALID. */
  emit(request: { trigger: string; payload: JsonObject; key?: string; rule?: string }): Promise<{ id: string }>;
  /** Each resolves when the registry serves the change. */
  readonly rules: {
    /** Rejects with CONFLICT for a ref in use, NOT_FOUND for an unknown trigger or action, and what validation finds. */
    create(rule: NewRule): Promise<void>;
    setEnabled(ref: string, enabled: boolean): Promise<void>;
    /** What the rule makes of an event, and why. Nothing is stored and nothing runs. Throws EVENT_INVALID. */
    explain(ref: string, event: GivenEvent): RuleExplanation;
    /** Rejects with CONFLICT for a pack's rule. */
    delete(ref: string): Promise<void>;
  };
  /** Versions of a pack: `current`, the number of a line of its history, a version, or the first digits of a content hash. */
  readonly versions: {
    /** Rejects with NOT_FOUND for a version that is unknown or not kept any more. */
    diff(ref: string, from: string, to: string): Promise<VersionDiff>;
    /** Writes the files of a version back into the pack's directory. Rejects with CONFLICT for the built-in core pack. */
    rollback(ref: string, to: string): Promise<Rollback>;
  };
  /** The configuration of a pack. Each rejects with NOT_FOUND for a pack that is not served. */
  readonly config: {
    show(ref: string): { readonly schema: FlatSchema; readonly entries: readonly ConfigEntry[] };
    /** Resolves when all that runs from now on sees it. Rejects with PARAMETERS_INVALID, and then nothing is set. */
    set(ref: string, values: JsonObject): Promise<void>;
    /** Rejects with NOT_FOUND for a key that was not set. */
    unset(ref: string, keys: readonly string[]): Promise<void>;
  };
  /** The packs' own environments. */
  readonly environments: {
    list(): EnvironmentView[];
    /** Rejects with NOT_FOUND for a pack that needs none. */
    rebuild(pack: string): void;
    /** Rejects with NOT_FOUND for a pack that has none. */
    remove(pack: string): Promise<void>;
  };
  /** Built-in ones, those of the configuration and those in files, in the order in which they are asked. */
  plugins(): readonly PluginState[];
  sensors(): readonly SensorState[];
  /** The lines kept of what a sensor wrote to stderr, oldest first. */
  sensorLog(ref: string): readonly string[];
  /** The kept lines, then each new one until `signal` is aborted. */
  followSensorLog(ref: string, signal: AbortSignal): AsyncIterable<string>;
  /** What a running execution has printed so far and then what it prints, until it ends; null when it is not running. */
  output(executionId: string): AsyncIterable<OutputChunk> | null;
  /** Resolves when the execution runs or has ended, at once when it already does. Rejects when `signal` is aborted. */
  started(executionId: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the execution's final status is committed, at once when it already is. Rejects when `signal` is aborted. */
  finished(executionId: string, signal: AbortSignal): Promise<void>;
}

export interface VersionDiff {
  readonly from: PackVersion;
  readonly to: PackVersion;
  readonly files: readonly FileDiff[];
}
export interface Rollback {
  readonly to: PackVersion;
  readonly files: readonly FileDifference[];
  readonly reports: readonly ReloadReport[];
}

export interface BrokenPack {
  readonly ref: string;
  readonly problems: readonly Problem[];
}

export interface DaemonStatus {
  readonly version: string;
  readonly pid: number;
  /** RFC 3339 */
  readonly started: string;
  readonly storage: ComponentStatus;
  readonly transport: ComponentStatus;
  readonly executions: { readonly running: number };
  /** Whether packs are loaded and events are taken. */
  readonly ready: boolean;
  /** Where packs are looked for; absolute. */
  readonly pack_directories: readonly string[];
}
interface ComponentStatus {
  readonly description: string;
  readonly available: boolean;
}

/** What the API tells of a reload. */
export type ReloadReport = Pick<EngineReport, "pack" | "added" | "changed" | "removed" | "problems" | "ms">;

/** A rule as the API was asked to make it: shapes are checked, refs and expressions are not. */
export type NewRule = Omit<RuleDefinition, "kind" | "pack" | "label" | "tags" | "file" | "hash"> & {
  readonly label: string | null;
};

export type SensorState = ProcessState;

export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

export const executionStatuses = [
  "requested",
  "scheduled",
  "running",
  "completed",
  "failed",
  "timeout",
  "cancelled",
  "abandoned",
] as const satisfies readonly ExecutionStatus[];
export const enforcementStatuses = ["fired", "unmatched", "failed"] as const satisfies readonly EnforcementStatus[];
