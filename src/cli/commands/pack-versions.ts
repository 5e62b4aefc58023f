import type { Command } from "commander";
import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import type { FileProblem } from "../problem-lines.ts";
import { problemLines } from "../problem-lines.ts";

interface Version {
  snapshot: string;
  version: string | null;
}
interface File {
  path: string;
  change: "added" | "changed" | "removed";
}

const words = `
A version is the ID of a line of "attune pack history", the first digits of its content, the version in pack.yaml, or
"current" for what is served.`;

export function addVersions(command: Command, context: () => Context): void {
  command
    .command("diff <ref> <from> [to]")
    .description("show how two versions of a pack differ; the second is what is served when left out")
    .addHelpText("after", words)
    .action(async (ref: string, from: string, to: string | undefined) => {
      const shown = context();
      const query = new URLSearchParams({ from, to: to ?? "current" });
      const path = `/packs/${segment(ref)}/diff?${query}`;
      const diff = await connect(shown).get<{ from: Version; to: Version; files: (File & { patch: string | null })[] }>(path);
      if (shown.format !== "table") return shown.print(diff);
      if (diff.files.length === 0) return shown.io.out("no difference\n");
      for (const file of diff.files) await shown.io.out(patchOf(file));
    });
  command
    .command("rollback <ref> <version>")
    .description("write the files of an earlier version back into the pack's directory")
    .addHelpText("after", words)
    .action(async (ref: string, version: string) => {
      const shown = context();
      const done = await connect(shown).post<{ to: Version; files: File[]; reports: { errors: FileProblem[] }[] }>(
        `/packs/${segment(ref)}/rollback`,
        { version },
      );
      const lines = done.files.map((file) => `${signs[file.change]} ${file.path}`);
      const name = `${done.to.version ?? "?"} (${done.to.snapshot.slice(0, 12)})`;
      const mistakes = problemLines(
        done.reports.flatMap((report) => report.errors),
        "error",
      );
      const summary = lines.length === 0 ? `${ref} is at ${name} already` : `${ref} is at ${name} again`;
      await shown.done(done, [...lines, summary, ...(mistakes === "" ? [] : [mistakes])].join("\n"));
    });
}

const signs = { added: "+", changed: "~", removed: "-" } as const;

function patchOf({ path, change, patch }: File & { patch: string | null }): string {
  if (patch === null) return `${path}: ${change}; not shown: a link, a mode, binary or large\n`;
  // The first line of the library is a rule that diff itself does not write.
  return patch.replace(/^=+\n/, "");
}
