import { connect, segment } from "../client.ts";
import type { Register } from "../groups.ts";
import { readLimit } from "../options.ts";
import { shortTime } from "../text.ts";

interface Event {
  id: string;
  trigger_ref: string;
  sensor_ref: string | null;
  rule_ref: string | null;
  payload: unknown;
  created: string;
}

export const eventCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list events, newest first")
    .option("--trigger <ref>", "only of this trigger")
    .option("--sensor <ref>", "only from this sensor")
    .option("--limit <n>", "how many", readLimit, 20)
    .action(async ({ trigger, sensor, limit }: { trigger?: string; sensor?: string; limit: number }) => {
      const shown = context();
      const events = await connect(shown).list<Event>("/events", { trigger_ref: trigger, sensor_ref: sensor }, limit);
      await shown.list(
        events,
        [
          { header: "ID", value: (event) => event.id },
          { header: "TRIGGER", value: (event) => event.trigger_ref },
          { header: "SENSOR", value: (event) => event.sensor_ref ?? "api" },
          { header: "CREATED", value: (event) => shortTime(event.created) },
          { header: "PAYLOAD", value: (event) => event.payload, shrinks: true },
        ],
        "no events",
      );
    });
  command
    .command("show <id>")
    .description("show one event and its payload")
    .action(async (id: string) => {
      const shown = context();
      await shown.record(await connect(shown).get<Event>(`/events/${segment(id)}`), (event) => [
        ["id", event.id],
        ["trigger", event.trigger_ref],
        ["sensor", event.sensor_ref],
        ["only for", event.rule_ref],
        ["created", event.created],
        ["payload", event.payload],
      ]);
    });
};
