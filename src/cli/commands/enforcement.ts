import { connect, segment } from "../client.ts";
import type { Register } from "../groups.ts";
import { readLimit } from "../options.ts";
import { shortTime, statusStyle } from "../text.ts";

interface Enforcement {
  id: string;
  event_id: string;
  rule_ref: string;
  status: string;
  reason: string | null;
  created: string;
}
interface ListOptions {
  rule?: string;
  event?: string;
  status?: string;
  limit: number;
}

export const enforcementCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list what rules made of events, newest first")
    .option("--rule <ref>", "only of this rule")
    .option("--event <id>", "only of this event")
    .option("--status <status>", "fired, unmatched or failed")
    .option("--limit <n>", "how many", readLimit, 20)
    .action(async ({ rule, event, status, limit }: ListOptions) => {
      const shown = context();
      const query = { rule_ref: rule, event_id: event, status };
      const enforcements = await connect(shown).list<Enforcement>("/enforcements", query, limit);
      await shown.list(
        enforcements,
        [
          { header: "ID", value: (one) => one.id },
          { header: "RULE", value: (one) => one.rule_ref },
          { header: "EVENT", value: (one) => one.event_id },
          { header: "STATUS", value: (one) => one.status, style: statusStyle },
          { header: "CREATED", value: (one) => shortTime(one.created) },
          { header: "REASON", value: (one) => one.reason, shrinks: true },
        ],
        "no enforcements",
      );
    });
  command
    .command("show <id>")
    .description("show one enforcement and why it did or did not fire")
    .action(async (id: string) => {
      const shown = context();
      await shown.record(await connect(shown).get<Enforcement>(`/enforcements/${segment(id)}`), (one) => [
        ["id", one.id],
        ["rule", one.rule_ref],
        ["event", one.event_id],
        ["status", one.status],
        ["reason", one.reason],
        ["created", one.created],
      ]);
    });
};
