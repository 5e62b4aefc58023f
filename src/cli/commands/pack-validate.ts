import { statSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { AttuneError, formatPosition } from "../../core/errors.ts";
import type { Problem } from "../../core/plugin.ts";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import { escapeControls } from "../text.ts";

export type FileProblem = Omit<Problem, "severity">;

/** Checks a pack's directory without a daemon. */
export function addValidate(command: Command, context: () => Context, setExitCode: (code: number) => void): void {
  command
    .command("validate <directory>")
    .description("check a pack's files; needs no daemon")
    .option("--strict", "warnings fail too")
    .action(async (directory: string, options: { strict?: boolean }) => {
      const shown = context();
      const dir = path.resolve(shown.io.cwd, directory);
      if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
        throw new AttuneError("NOT_FOUND", `${dir} is not a directory`, { hint: "give the directory that holds pack.yaml" });
      }
      const { validatePack } = await import("../../core/packs/validate.ts");
      const { offlineRuntimeNames } = await import("../offline-runtimes.ts");
      const { checkRule } = await import("../../core/events/compile.ts");
      const problems = await validatePack(dir, { runtimeNames: offlineRuntimeNames(), checkRule });
      const errors = problems.filter((problem) => problem.severity === "error");
      if (errors.length > 0 || (options.strict && problems.length > 0)) setExitCode(exit.failed);
      if (shown.format !== "table") return shown.print(problems);
      for (const problem of problems) await shown.io.out(`${problemLines([problem], problem.severity)}\n`);
      const warnings = problems.length - errors.length;
      await shown.io.out(
        problems.length === 0 ? `${directory} is valid\n` : `${count(errors.length, "error")}, ${count(warnings, "warning")}\n`,
      );
    });
}

/** `file:line:col: error: message`, the hint on a line of its own. */
export function problemLines(problems: readonly FileProblem[], severity: Problem["severity"]): string {
  return problems
    .map(({ file, line, column, message, hint }) => {
      const at = formatPosition({ file, ...(line !== null && { line }), ...(column !== null && { column }) });
      return escapeControls(`${at}: ${severity}: ${message}`) + (hint ? `\n  hint: ${escapeControls(hint)}` : "");
    })
    .join("\n");
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
