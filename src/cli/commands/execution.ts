import { Option } from "commander";
import { connect, segment } from "../client.ts";
import type { Register } from "../groups.ts";
import { readLimit } from "../options.ts";
import { duration, safeOutput, shortTime, statusStyle } from "../text.ts";
import { type Execution, follow, outputStreams, type Stream } from "./run.ts";

interface ListOptions {
  action?: string;
  status?: string;
  rule?: string;
  event?: string;
  limit: number;
}

export const executionCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list executions, newest first")
    .option("--action <ref>", "only of this action")
    .option("--status <status>", "only in this status")
    .option("--rule <ref>", "only made by this rule")
    .option("--event <id>", "only made by this event")
    .option("--limit <n>", "how many", readLimit, 20)
    .action(async ({ action, status, rule, event, limit }: ListOptions) => {
      const shown = context();
      const query = { action_ref: action, status, rule_ref: rule, event_id: event };
      const executions = await connect(shown).list<Execution>("/executions", query, limit);
      await shown.list(
        executions,
        [
          { header: "ID", value: (one) => one.id },
          { header: "ACTION", value: (one) => one.action_ref },
          { header: "RULE", value: (one) => one.rule_ref },
          { header: "STATUS", value: (one) => one.status, style: statusStyle },
          { header: "CREATED", value: (one) => shortTime(one.created) },
          { header: "TOOK", value: (one) => duration(one.started, one.finished), align: "right" },
          { header: "ERROR", value: (one) => one.error, shrinks: true },
        ],
        "no executions",
      );
    });
  command
    .command("show <id>")
    .description("show one execution: parameters, result, times")
    .action(async (id: string) => {
      const shown = context();
      const execution = await connect(shown).get<Execution>(`/executions/${segment(id)}`);
      await shown.record(execution, (one) => [
        ["id", one.id],
        ["action", one.action_ref],
        ["rule", one.rule_ref],
        ["event", one.event_id],
        ["status", one.status],
        ["exit code", one.exit_code],
        ["error", one.error],
        ["attempt", one.attempt],
        ["pack version", one.snapshot?.slice(0, 12)],
        ["created", one.created],
        ["started", one.started],
        ["finished", one.finished],
        ["took", duration(one.started, one.finished)],
        ["parameters", one.parameters],
        ["result", one.result],
      ]);
    });
  command
    .command("logs <id>")
    .description("print what an execution wrote, its stderr to standard error")
    .option("-f, --follow", "wait for what a running execution still writes")
    .addOption(new Option("--stream <stream>", "only one of the two").choices(outputStreams))
    .action(async (id: string, options: { follow?: boolean; stream?: string }) => {
      const shown = context();
      const client = connect(shown);
      const streams = outputStreams.filter((stream) => options.stream === undefined || options.stream === stream);
      if (options.follow) {
        await follow(client, shown, id, streams);
        return;
      }
      if (shown.format !== "table") {
        const texts = streams.map(async (stream) => [stream, new TextDecoder().decode(await client.bytes(logPath(id, stream)))]);
        return shown.print(Object.fromEntries(await Promise.all(texts)));
      }
      for (const stream of streams) {
        const bytes = await client.bytes(logPath(id, stream));
        if (shown.io.terminal) await shown.io.out(safeOutput(new TextDecoder().decode(bytes)));
        else if (stream === "stderr" && options.stream === undefined) await shown.io.err(new TextDecoder().decode(bytes));
        else await shown.io.outBytes(bytes);
      }
    });
};

function logPath(id: string, stream: Stream): string {
  return `/executions/${segment(id)}/logs/${stream}`;
}
