import path from "node:path";
import { connect, segment } from "../client.ts";
import type { Register } from "../groups.ts";
import { problemLines } from "../problem-lines.ts";
import { statusStyle } from "../text.ts";
import { pluginCheckCommand } from "./plugin-check.ts";
import { addCreate } from "./plugin-create.ts";

interface Plugin {
  name: string;
  /** null while no version of its file could ever be loaded. */
  kind: string | null;
  source: string;
  /** Absolute; null for what has no file of its own. */
  file: string | null;
  status: string;
  error: Mistake | null;
  /** What to know about its status. */
  note: string | null;
  hooks: string[];
  /** Ref of the runtime it adds. */
  runtime: string | null;
}
interface Mistake {
  message: string;
  file: string;
  line: number | null;
  column: number | null;
  hint: string | null;
  frame: string | null;
}

export const pluginCommands: Register = (command, context, setExitCode) => {
  command
    .command("list")
    .description("list plugins, built-in ones as well")
    .action(async () => {
      const shown = context();
      await shown.list(
        await connect(shown).list<Plugin>("/plugins"),
        [
          { header: "NAME", value: (plugin) => plugin.name },
          { header: "KIND", value: (plugin) => plugin.kind },
          { header: "STATUS", value: (plugin) => plugin.status, style: statusStyle },
          { header: "SOURCE", value: (plugin) => shownPath(plugin.file, shown.io.cwd) ?? plugin.source, shrinks: true },
          { header: "ERROR OR NOTE", value: (plugin) => plugin.error?.message ?? plugin.note, shrinks: true },
        ],
        "no plugins",
      );
    });
  command
    .command("show <name>")
    .description("show a plugin: what it adds, and what is wrong with it")
    .action(async (name: string) => {
      const shown = context();
      const { cwd } = shown.io;
      await shown.record(await connect(shown).get<Plugin>(`/plugins/${segment(name)}`), (plugin) => [
        ["name", plugin.name],
        ["kind", plugin.kind],
        ["status", plugin.status],
        ["note", plugin.note],
        ["source", plugin.source],
        ["file", shownPath(plugin.file, cwd)],
        ["runtime", plugin.runtime],
        ["hooks", plugin.hooks.join(", ") || "none"],
        ["error", plugin.error ? mistakeLines(plugin.error, cwd) : "none"],
      ]);
    });
  addCreate(command, context, setExitCode);
  pluginCheckCommand(command, context, setExitCode);
};

/** Relative to where the command is run, when it lies below. */
function shownPath(file: string | null, cwd: string): string | null {
  if (file === null) return null;
  const relative = path.relative(cwd, file);
  return relative.startsWith("..") ? file : relative;
}

function mistakeLines({ frame, file, ...mistake }: Mistake, cwd: string): string {
  return problemLines([{ ...mistake, file: shownPath(file, cwd) ?? file, ...(frame !== null && { frame }) }], "error");
}
