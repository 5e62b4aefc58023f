import type { FlatSchema } from "../../core/registry.ts";
import { connect, segment } from "../client.ts";
import type { Register } from "../groups.ts";
import { readParameters } from "../parameters.ts";
import { schemaLines } from "../schema-lines.ts";

interface Trigger {
  ref: string;
  label: string;
  description: string | null;
  type: string | null;
  parameters: FlatSchema;
  output: FlatSchema;
  enabled: boolean;
}

export const triggerCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list triggers")
    .option("--pack <ref>", "only those of this pack")
    .action(async ({ pack }: { pack?: string }) => {
      const shown = context();
      const triggers = await connect(shown).list<Trigger>("/triggers", { pack_ref: pack });
      await shown.list(
        triggers,
        [
          { header: "REF", value: (trigger) => trigger.ref },
          { header: "DESCRIPTION", value: (trigger) => trigger.description ?? trigger.label, shrinks: true },
        ],
        "no triggers",
      );
    });
  command
    .command("show <ref>")
    .description("show a trigger: what a rule sets and what an event carries")
    .action(async (ref: string) => {
      const shown = context();
      await shown.record(await connect(shown).get<Trigger>(`/triggers/${segment(ref)}`), (trigger) => [
        ["ref", trigger.ref],
        ["label", trigger.label],
        ["description", trigger.description],
        ["type", trigger.type],
        ["enabled", trigger.enabled ? "yes" : "no"],
        ["parameters", schemaLines(trigger.parameters)],
        ["payload", schemaLines(trigger.output)],
      ]);
    });
  command
    .command("emit <ref> [payload...]")
    .description("emit an event; its payload as name=value")
    .option("--payload-json <json>", "payload as a JSON object, or - for standard input")
    .option("--key <key>", "the same key twice is one event")
    .option("--rule <ref>", "only for this rule")
    .action(async (ref: string, pairs: string[], options: { payloadJson?: string; key?: string; rule?: string }) => {
      const shown = context();
      const client = connect(shown);
      const trigger = await client.get<Trigger>(`/triggers/${segment(ref)}`);
      const payload = await readParameters(
        { pairs, json: options.payloadJson, flag: "--payload-json" },
        trigger.output,
        shown.io,
      );
      const event = await client.post<{ id: string }>("/events", {
        trigger_ref: ref,
        payload,
        ...(options.key !== undefined && { event_id: options.key }),
        ...(options.rule !== undefined && { rule_ref: options.rule }),
      });
      await shown.done(event, event.id);
    });
};
