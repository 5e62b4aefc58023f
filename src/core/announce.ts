import { formatPosition } from "./errors.ts";
import type { ExecutionChange, Logger } from "./plugin.ts";
import type { ReloadReport } from "./packs/reconcile.ts";
import type { ProcessState } from "./processes/supervisor.ts";
import { isTerminal } from "./executions/states.ts";

/** One line for each reload, and one for each mistake in the pack. */
export function announceReload(log: Logger, report: ReloadReport): void {
  const counts = [
    ["+", report.added],
    ["~", report.changed],
    ["-", report.removed],
  ] as const;
  const parts = counts.flatMap(([sign, refs]) => (refs.length === 0 ? [] : [refs.length === 1 ? `${sign}${refs[0]}` : `${sign}${refs.length}`]));
  log.info(`pack ${report.pack}: ${parts.join(", ") || "unchanged"}, ${report.ms} ms`);
  for (const problem of report.problems) {
    const at = { file: `${report.pack}/${problem.file}`, ...(problem.line === null ? {} : { line: problem.line, column: problem.column ?? 1 }) };
    const level = problem.severity === "error" ? "error" : "warn";
    log[level](`${formatPosition(at)}: ${problem.message}`, problem.hint === null ? {} : { hint: problem.hint });
  }
}

export function announceExecution(log: Logger, change: ExecutionChange): void {
  const { id, action, rule, to, exitCode, error } = change;
  if (!isTerminal(to)) {
    log.debug(`${action} ${to}`, { execution: id });
    return;
  }
  const fields = { execution: id, ...(rule === null ? {} : { rule }), ...(exitCode === null ? {} : { exit_code: exitCode }), ...(error === null ? {} : { error }) };
  log[to === "completed" ? "info" : "warn"](`${action} ${to}`, fields);
}

export function announceSensor(log: Logger, state: ProcessState): void {
  const fields = { sensor: state.ref, ...(state.pid === null ? {} : { pid: state.pid }), ...(state.reason === null ? {} : { reason: state.reason }) };
  log[state.status === "backoff" || state.status === "unavailable" ? "warn" : "info"](`sensor ${state.status}`, fields);
}
