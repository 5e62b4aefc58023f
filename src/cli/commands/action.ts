import type { FlatSchema } from "../../core/registry.ts";
import { connect, segment } from "../client.ts";
import type { Register } from "../groups.ts";
import { schemaLines } from "../schema-lines.ts";
import { addRun } from "./run.ts";

export interface Action {
  ref: string;
  label: string;
  description: string | null;
  runtime: string;
  entry_point: string;
  parameters: FlatSchema;
  output: FlatSchema;
  timeout_seconds: number | null;
  enabled: boolean;
}

export const actionCommands: Register = (command, context, setExitCode) => {
  command
    .command("list")
    .description("list actions")
    .option("--pack <ref>", "only those of this pack")
    .action(async ({ pack }: { pack?: string }) => {
      const shown = context();
      const actions = await connect(shown).list<Action>("/actions", { pack_ref: pack });
      await shown.list(
        actions,
        [
          { header: "REF", value: (action) => action.ref },
          { header: "RUNTIME", value: (action) => action.runtime },
          { header: "DESCRIPTION", value: (action) => action.description ?? action.label, shrinks: true },
        ],
        "no actions",
      );
    });
  command
    .command("show <ref>")
    .description("show an action and its parameters")
    .action(async (ref: string) => {
      const shown = context();
      const action = await connect(shown).get<Action>(`/actions/${segment(ref)}`);
      await shown.record(action, (one) => [
        ["ref", one.ref],
        ["label", one.label],
        ["description", one.description],
        ["runtime", one.runtime],
        ["entry point", one.entry_point],
        ["enabled", one.enabled ? "yes" : "no"],
        ["timeout", one.timeout_seconds === null ? "default" : `${one.timeout_seconds}s`],
        ["parameters", schemaLines(one.parameters)],
        ["output", schemaLines(one.output)],
      ]);
    });
  addRun(command.command("run <ref> [parameters...]").description("run an action and wait for it"), context, setExitCode);
};
