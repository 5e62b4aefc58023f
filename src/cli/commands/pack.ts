import { connect, segment } from "../client.ts";
import { exit } from "../failure.ts";
import type { Register } from "../groups.ts";
import { type FileProblem, problemLines } from "../problem-lines.ts";
import { addConfig } from "./pack-config.ts";
import { addCreate } from "./pack-create.ts";
import { addEject } from "./pack-eject.ts";
import { addEnvironments } from "./pack-env.ts";
import { addHistory } from "./pack-history.ts";
import { addIndex } from "./pack-index.ts";
import { addInstall } from "./pack-install.ts";
import { addTest } from "./pack-test.ts";
import { addValidate } from "./pack-validate.ts";
import { addVersions } from "./pack-versions.ts";

interface Pack {
  ref: string;
  label: string;
  description: string | null;
  version: string | null;
  enabled: boolean;
  errors: FileProblem[];
  warnings: FileProblem[];
  components: Record<string, number>;
}
interface ReloadReport {
  pack: string;
  added: string[];
  changed: string[];
  removed: string[];
  errors: FileProblem[];
  warnings: FileProblem[];
  ms: number;
}

export const packCommands: Register = (command, context, setExitCode) => {
  command
    .command("list")
    .description("list packs")
    .action(async () => {
      const shown = context();
      await shown.list(
        await connect(shown).list<Pack>("/packs"),
        [
          { header: "REF", value: (pack) => pack.ref },
          { header: "VERSION", value: (pack) => pack.version },
          {
            header: "ERRORS",
            value: (pack) => pack.errors.length,
            align: "right",
            style: (text) => (text === "0" ? undefined : "red"),
          },
          { header: "COMPONENTS", value: (pack) => componentsLine(pack.components) },
          { header: "DESCRIPTION", value: (pack) => pack.description ?? pack.label, shrinks: true },
        ],
        "no packs",
      );
    });
  command
    .command("show <ref>")
    .description("show a pack and what is wrong with it")
    .action(async (ref: string) => {
      const shown = context();
      await shown.record(await connect(shown).get<Pack>(`/packs/${segment(ref)}`), (pack) => [
        ["ref", pack.ref],
        ["label", pack.label],
        ["description", pack.description],
        ["version", pack.version],
        ["enabled", pack.enabled ? "yes" : "no"],
        ["components", componentsLine(pack.components)],
        ["errors", problemLines(pack.errors, "error") || "none"],
        ["warnings", problemLines(pack.warnings, "warning") || "none"],
      ]);
    });
  command
    .command("reload [ref]")
    .description("read one pack again, or all, and show what changed")
    .action(async (ref: string | undefined) => {
      const shown = context();
      const path = ref === undefined ? "/packs/reload" : `/packs/${segment(ref)}/reload`;
      const reports = await connect(shown).post<ReloadReport[]>(path);
      if (reports.some((report) => report.errors.length > 0)) setExitCode(exit.failed);
      if (shown.format !== "table") return shown.print(reports);
      for (const report of reports) await shown.io.out(reloadLines(report));
    });
  addConfig(command, context);
  addHistory(command, context);
  addVersions(command, context);
  addCreate(command, context);
  addValidate(command, context, setExitCode);
  addTest(command, context, setExitCode);
  addEject(command, context);
  addInstall(command, context, setExitCode);
  addIndex(command, context);
  addEnvironments(command, context);
};

function componentsLine(components: Record<string, number>): string {
  const some = Object.entries(components).filter(([, count]) => count > 0);
  return some.map(([kind, count]) => `${count} ${count === 1 ? kind.slice(0, -1) : kind}`).join(", ") || "none";
}

function reloadLines({ pack, added, changed, removed, errors, warnings, ms }: ReloadReport): string {
  const parts = [
    ...(added.length > 0 ? [`added ${added.join(" ")}`] : []),
    ...(changed.length > 0 ? [`changed ${changed.join(" ")}`] : []),
    ...(removed.length > 0 ? [`removed ${removed.join(" ")}`] : []),
  ];
  const problems = [problemLines(errors, "error"), problemLines(warnings, "warning")].filter((text) => text !== "");
  return [`${pack}: ${parts.join("; ") || "no change"} (${Math.round(ms)} ms)`, ...problems].join("\n") + "\n";
}
