import type { ExecutionStatus, Json, JsonObject, Problem } from "../core/plugin.ts";
import type { Page, Slice } from "./paging.ts";

/** What happened, newest first. Secret parameters are masked. Times are RFC 3339. */
export interface History {
  executions(filter: ExecutionFilter, page: Page): Promise<Slice<ExecutionRecord>>;
  execution(id: string): Promise<ExecutionRecord | null>;
  /** What one stream of an ended execution printed; null when nothing is stored. */
  output(executionId: string, stream: "stdout" | "stderr"): Promise<StoredOutput | null>;
  events(filter: EventFilter, page: Page): Promise<Slice<EventRecord>>;
  event(id: string): Promise<EventRecord | null>;
  enforcements(filter: EnforcementFilter, page: Page): Promise<Slice<EnforcementRecord>>;
  enforcement(id: string): Promise<EnforcementRecord | null>;
  /** What became of a pack each time it changed or was found broken. */
  packHistory(ref: string, page: Page): Promise<Slice<PackHistoryRecord>>;
}

interface ExecutionFilter {
  readonly action_ref?: string | undefined;
  readonly rule_ref?: string | undefined;
  readonly event_id?: string | undefined;
  readonly status?: ExecutionStatus | undefined;
}
export interface ExecutionRecord {
  readonly id: string;
  readonly action_ref: string;
  readonly rule_ref: string | null;
  readonly event_id: string | null;
  readonly enforcement_id: string | null;
  readonly status: ExecutionStatus;
  readonly parameters: JsonObject;
  readonly result: Json;
  readonly exit_code: number | null;
  readonly error: string | null;
  readonly attempt: number;
  /** Content hash of its pack when it was made. */
  readonly snapshot: string | null;
  readonly created: string;
  readonly started: string | null;
  readonly finished: string | null;
}

interface StoredOutput {
  readonly content: Uint8Array;
  /** Bytes the script wrote; more than `content` holds when the middle was left out. */
  readonly totalBytes: number;
}

interface EventFilter {
  readonly trigger_ref?: string | undefined;
  readonly sensor_ref?: string | undefined;
}
export interface EventRecord {
  readonly id: string;
  readonly trigger_ref: string;
  readonly sensor_ref: string | null;
  readonly rule_ref: string | null;
  readonly payload: JsonObject;
  readonly created: string;
}

interface EnforcementFilter {
  readonly event_id?: string | undefined;
  readonly rule_ref?: string | undefined;
  readonly status?: EnforcementStatus | undefined;
}
export type EnforcementStatus = "fired" | "unmatched" | "failed";
export interface EnforcementRecord {
  readonly id: string;
  readonly event_id: string;
  readonly rule_ref: string;
  readonly status: EnforcementStatus;
  readonly reason: string | null;
  readonly created: string;
}

export interface PackHistoryRecord {
  readonly id: number;
  readonly created: string;
  readonly version: string | null;
  /** Content hash of the pack's files. */
  readonly snapshot: string | null;
  /** Refs of components; the pack's own ref stands for pack.yaml. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly errors: readonly Omit<Problem, "severity" | "frame">[];
  readonly timing: {
    /** From the first change seen until reading began. */
    readonly watch_ms: number;
    readonly parse_ms: number;
    readonly database_ms: number;
    readonly publish_ms: number;
  };
  /** Sum of the parts. */
  readonly ms: number;
}
