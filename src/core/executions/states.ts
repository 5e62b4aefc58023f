import type { ExecutionStatus } from "../plugin.ts";

/**
 * requested -> scheduled -> running -> one of the terminal states. A scheduled one may also fail or be cancelled without
 * having run. The record makes a forgotten state a compile error.
 */
const terminal: Record<ExecutionStatus, boolean> = {
  requested: false,
  scheduled: false,
  running: false,
  completed: true,
  failed: true,
  timeout: true,
  cancelled: true,
  abandoned: true,
};

export function isTerminal(status: ExecutionStatus): boolean {
  return terminal[status];
}
