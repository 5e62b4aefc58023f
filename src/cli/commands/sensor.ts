import { connect, segment, unreachable } from "../client.ts";
import type { Register } from "../groups.ts";
import { escapeControls, statusStyle } from "../text.ts";

interface Sensor {
  ref: string;
  label: string;
  description: string | null;
  status: string;
  pid: number | null;
  restarts: number;
  reason: string | null;
  last_exit: { code: number | null; signal: string | null; at: string } | null;
  trigger_refs: string[];
  runtime: string;
  entry_point: string;
}

export const sensorCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list sensors and how they are")
    .option("--pack <ref>", "only those of this pack")
    .action(async ({ pack }: { pack?: string }) => {
      const shown = context();
      const sensors = await connect(shown).list<Sensor>("/sensors", { pack_ref: pack });
      await shown.list(
        sensors,
        [
          { header: "REF", value: (sensor) => sensor.ref },
          { header: "STATUS", value: (sensor) => sensor.status, style: statusStyle },
          { header: "PID", value: (sensor) => sensor.pid, align: "right" },
          { header: "RESTARTS", value: (sensor) => sensor.restarts, align: "right" },
          { header: "TRIGGERS", value: (sensor) => sensor.trigger_refs.join(" "), shrinks: true },
          { header: "REASON", value: (sensor) => sensor.reason, shrinks: true },
        ],
        "no sensors",
      );
    });
  command
    .command("show <ref>")
    .description("show one sensor")
    .action(async (ref: string) => {
      const shown = context();
      await shown.record(await connect(shown).get<Sensor>(`/sensors/${segment(ref)}`), (sensor) => [
        ["ref", sensor.ref],
        ["label", sensor.label],
        ["description", sensor.description],
        ["status", sensor.status],
        ["reason", sensor.reason],
        ["pid", sensor.pid],
        ["restarts", sensor.restarts],
        [
          "last exit",
          sensor.last_exit && `${sensor.last_exit.signal ?? `code ${sensor.last_exit.code}`} at ${sensor.last_exit.at}`,
        ],
        ["triggers", sensor.trigger_refs.join("\n")],
        ["runtime", sensor.runtime],
        ["entry point", sensor.entry_point],
      ]);
    });
  command
    .command("logs <ref>")
    .description("print what a sensor wrote to its standard error")
    .option("-f, --follow", "go on with what it still writes, until interrupted")
    .action(async (ref: string, options: { follow?: boolean }) => {
      const shown = context();
      const client = connect(shown);
      const show = (line: string) => shown.io.out(`${shown.io.terminal ? escapeControls(line, "\t") : line}\n`);
      if (options.follow) {
        for await (const { event, data } of client.events(`/sensors/${segment(ref)}/logs/stream`)) {
          if (event === "line") await show(JSON.parse(data));
        }
        throw unreachable(client.endpoint);
      }
      const log = await client.get<{ ref: string; lines: string[] }>(`/sensors/${segment(ref)}/logs`);
      if (shown.format !== "table") return shown.print(log);
      for (const line of log.lines) await show(line);
    });
};
