import { connect } from "../client.ts";
import type { Register } from "../groups.ts";
import { shortTime } from "../text.ts";

interface Status {
  version: string;
  pid: number;
  started: string;
  ready: boolean;
  storage: { description: string; available: boolean };
  transport: { description: string; available: boolean };
  executions: { running: number };
  packs: { loaded: number; with_errors: { ref: string; errors: number }[] };
  actions: number;
  triggers: number;
  rules: { total: number; enabled: number; unresolved: number };
  sensors: Record<string, number>;
  runtimes: { available: number; total: number };
}

export const statusCommand: Register = (command, context) => {
  command.action(async () => {
    const shown = context();
    const client = connect(shown);
    const status = { url: client.endpoint.url, ...(await client.get<Status>("/status")) };
    await shown.record(status, ({ url, ...daemon }) => [
      ["daemon", `attune ${daemon.version} at ${url}, pid ${daemon.pid}, ${daemon.ready ? "ready" : "not ready"}`],
      ["started", `${daemon.started} (${shortTime(daemon.started)})`],
      ["storage", describe(daemon.storage)],
      ["transport", describe(daemon.transport)],
      ["packs", `${daemon.packs.loaded} loaded, ${daemon.actions} actions, ${daemon.triggers} triggers`],
      ["rules", rulesLine(daemon.rules)],
      ["sensors", sensorsLine(daemon.sensors)],
      ["runtimes", `${daemon.runtimes.available} of ${daemon.runtimes.total} available`],
      ["executions", `${daemon.executions.running} running`],
      ...daemon.packs.with_errors.map(
        ({ ref, errors }) => ["error", `pack ${ref}: ${errors} (attune pack show ${ref})`] as const,
      ),
    ]);
  });
};

function describe({ description, available }: Status["storage"]): string {
  return available ? description : `${description} - unavailable`;
}

function rulesLine({ total, enabled, unresolved }: Status["rules"]): string {
  return `${total}, ${enabled} enabled${unresolved > 0 ? `, ${unresolved} unresolved` : ""}`;
}

function sensorsLine(sensors: Record<string, number>): string {
  return (
    Object.entries(sensors)
      .map(([status, count]) => `${count} ${status}`)
      .join(", ") || "none"
  );
}
