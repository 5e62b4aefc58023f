import type { Command } from "commander";
import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import { size } from "../progress-line.ts";
import { statusStyle } from "../text.ts";

export interface PackEnvironment {
  pack_ref: string;
  runtime: string;
  version: string | null;
  status: string;
  path: string | null;
  size_bytes: number | null;
  made: string | null;
  reason: string | null;
  output: string[];
}

export function addEnvironments(command: Command, context: () => Context): void {
  const group = command.command("env").description("the packages that packs ask for: list, rebuild, remove");
  group
    .command("list")
    .description("list the packs' environments, and what is being done about them")
    .action(async () => {
      const shown = context();
      await show(shown, await connect(shown).list<PackEnvironment>("/environments"));
    });
  group
    .command("rebuild <ref>")
    .description("make the environments of a pack anew; the present ones stay in use meanwhile")
    .action(async (ref: string) => {
      const shown = context();
      await show(shown, await connect(shown).post<PackEnvironment[]>(`/environments/${segment(ref)}/rebuild`));
    });
  group
    .command("remove <ref>")
    .description("remove the environments of a pack; they are made again when something needs them")
    .action(async (ref: string) => {
      const shown = context();
      await shown.done(
        await connect(shown).delete<object>(`/environments/${segment(ref)}`),
        `the environments of ${ref} are removed`,
      );
    });
}

async function show(shown: Context, environments: PackEnvironment[]): Promise<void> {
  await shown.list(
    environments,
    [
      { header: "PACK", value: (one) => one.pack_ref },
      { header: "RUNTIME", value: (one) => one.runtime },
      { header: "VERSION", value: (one) => one.version },
      { header: "STATUS", value: (one) => one.status, style: statusStyle },
      { header: "SIZE", value: (one) => (one.size_bytes === null ? null : size(one.size_bytes)), align: "right" },
      { header: "PATH OR REASON", value: (one) => shortReason(one.reason) ?? one.path, shrinks: true },
    ],
    "no pack has an environment",
  );
}

/** What failed and the last line of the installer, which says why. */
function shortReason(reason: string | null): string | null {
  const lines = reason?.split("\n").map((line) => line.trim()) ?? [];
  return lines.length > 1 ? `${lines[0]}: ${lines.at(-1)}` : reason;
}
