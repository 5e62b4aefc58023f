import { formatPosition } from "../errors.ts";
import { isTerminal } from "../executions/states.ts";
import type { ReloadReport } from "../packs/reload/history.ts";
import type { ExecutionChange, Logger } from "../plugin.ts";
import type { ProcessState } from "../processes/supervisor.ts";

/**
 * One line for each reload, such as `core: ~1 action echo, 1 sensor restarted, 9 ms`, and one for each mistake in the pack,
 * with the lines around it. Called only for what is news. `restarted`: refs of the sensors that were replaced.
 */
export function announceReload(log: Logger, report: ReloadReport, restarted: readonly string[]): void {
  const own = restarted.filter((ref) => ref.startsWith(`${report.pack}.`)).length;
  const errors = report.problems.filter((problem) => problem.severity === "error").length;
  const parts = [
    ...describeChanges(report),
    ...(own > 0 ? [`${own} ${plural("sensor", own)} restarted`] : []),
    ...(errors > 0 ? [`${errors} ${plural("error", errors)}`] : []),
  ];
  const news = parts.length > 0 ? parts : [...(report.filesChanged ? ["files changed"] : []), "no errors"];
  log.info(`${report.pack}: ${[...news, `${report.ms} ms`].join(", ")}`);
  for (const { file, line, column, severity, message, hint, frame } of report.problems) {
    const at = { file: `${report.pack}/${file}`, ...(line === null ? {} : { line, column: column ?? 1 }) };
    const fields = { ...(hint === null ? {} : { hint }), ...(frame === undefined ? {} : { frame }) };
    log[severity === "error" ? "error" : "warn"](`${formatPosition(at)}: ${message}`, fields);
  }
}

const signs = { added: "+", changed: "~", removed: "-" } as const;

function describeChanges({ pack, changes, changed, removed }: ReloadReport): string[] {
  if (changes.length === 0) return removed.includes(pack) ? ["removed"] : changed.length > 0 ? ["~pack.yaml"] : [];
  const groups = Map.groupBy(changes, (one) => `${signs[one.change]} ${one.kind}`);
  return [...groups].map(([key, group]) => {
    const [sign, kind] = key.split(" ");
    const name = group.length === 1 ? ` ${group[0]?.ref.slice(pack.length + 1)}` : "";
    return `${sign}${group.length} ${plural(kind ?? "", group.length)}${name}`;
  });
}

function plural(word: string, count: number): string {
  return count === 1 ? word : `${word}s`;
}

export function announceExecution(log: Logger, change: ExecutionChange): void {
  const { id, action, rule, to, exitCode, error } = change;
  if (!isTerminal(to)) {
    log.debug(`${action} ${to}`, { execution: id });
    return;
  }
  const fields = {
    execution: id,
    ...(rule === null ? {} : { rule }),
    ...(exitCode === null ? {} : { exit_code: exitCode }),
    ...(error === null ? {} : { error }),
  };
  log[to === "completed" ? "info" : "warn"](`${action} ${to}`, fields);
}

export function announceSensor(log: Logger, state: ProcessState): void {
  const fields = {
    sensor: state.ref,
    ...(state.pid === null ? {} : { pid: state.pid }),
    ...(state.reason === null ? {} : { reason: state.reason }),
  };
  log[state.status === "backoff" || state.status === "unavailable" ? "warn" : "info"](`sensor ${state.status}`, fields);
}

/** `storage` and `events` describe what holds the data and what moves the events; `ms` is how long the start took. */
export function announceReady(
  log: Logger,
  { url, storage, events, ms }: { url: string; storage: string; events: string; ms: number },
): void {
  const moved = events === "in-process" ? "in-process (set NATS_URL for JetStream)" : events;
  log.info("ready", { url, storage, events: moved, ms: Math.round(ms) });
}
