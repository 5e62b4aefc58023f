/** What a plugin can listen to and filter, and what it is told; a part of the plugin contract. */

import type { Awaitable, EventMessage, JsonObject, Launch, LaunchTarget } from "./plugin.ts";

export type ExecutionStatus =
  | "requested"
  | "scheduled"
  | "running"
  | "completed"
  | "failed"
  | "timeout"
  | "cancelled"
  | "abandoned";
export type SensorStatus = "starting" | "running" | "backoff" | "stopped" | "unavailable";

/** Told what happened. They run side by side, cannot change anything, and a throw is only logged. */
export interface Observers {
  "daemon:ready"(info: { url: string }): Awaitable<void>;
  "daemon:stopping"(info: { reason: string }): Awaitable<void>;
  "pack:changed"(change: PackChange): Awaitable<void>;
  "pack:rejected"(rejected: { pack: string; errors: readonly Problem[] }): Awaitable<void>;
  "plugin:changed"(change: { plugin: string; change: "added" | "changed" | "removed" }): Awaitable<void>;
  "plugin:rejected"(rejected: { plugin: string; error: string }): Awaitable<void>;
  "sensor:state"(change: { sensor: string; status: SensorStatus; pid: number | null; reason: string | null }): Awaitable<void>;
  "event:accepted"(event: EventMessage): Awaitable<void>;
  "enforcement:created"(enforcement: Enforcement): Awaitable<void>;
  "execution:state"(change: ExecutionChange): Awaitable<void>;
  "process:started"(process: ProcessInfo): Awaitable<void>;
  "process:exited"(process: ProcessInfo & { code: number | null; signal: string | null }): Awaitable<void>;
}
/** Asked, in order of registration; each gets what the one before returned and must return a value. null drops the item. */
export interface Filters {
  "event:accept"(event: EventMessage): Awaitable<EventMessage | null>;
  "execution:plan"(plan: ExecutionPlan): Awaitable<ExecutionPlan | null>;
  "process:launch"(launch: Launch, target: LaunchTarget): Awaitable<Launch | null>;
}
export type Hooks = Partial<Observers & Filters>;

export interface PackChange {
  readonly pack: string;
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}
/** The verdict of a rule on an event. */
export interface Enforcement {
  readonly id: string;
  readonly event: string;
  readonly rule: string;
  readonly trigger: string;
  readonly status: "fired" | "unmatched" | "failed";
  /** Why it did not fire. */
  readonly reason: string | null;
}
/** An execution that is about to be recorded; a filter may change its parameters. */
export interface ExecutionPlan {
  readonly id: string;
  readonly action: string;
  readonly rule: string | null;
  readonly event: string | null;
  readonly parameters: JsonObject;
}
export interface ProcessInfo {
  readonly kind: "action" | "sensor";
  readonly ref: string;
  readonly pid: number;
  /** Of an action. */
  readonly execution: string | null;
}
export interface ExecutionChange {
  readonly id: string;
  readonly action: string;
  readonly rule: string | null;
  readonly from: ExecutionStatus | null;
  readonly to: ExecutionStatus;
  readonly exitCode: number | null;
  readonly error: string | null;
}
/** A mistake in a pack's file, for the operator. `severity: warning` never keeps anything from loading. */
export interface Problem {
  readonly severity: "error" | "warning";
  /** Path relative to the pack's directory. */
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly message: string;
  readonly hint: string | null;
  /** The lines around the place, for a terminal. */
  readonly frame?: string;
}
