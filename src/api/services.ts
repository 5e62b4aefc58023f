import type { ReloadReport as EngineReport } from "../core/packs/history.ts";
import type { ExecutionStatus, JsonObject, Problem } from "../core/plugin.ts";
import type { ProcessState } from "../core/processes/supervisor.ts";
import type { Registry, RuleDefinition } from "../core/registry.ts";
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
    /** Rejects with CONFLICT for a pack's rule. */
    delete(ref: string): Promise<void>;
  };
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
