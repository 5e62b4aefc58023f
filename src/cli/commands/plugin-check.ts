import { statSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../../core/errors.ts";
import { selfCommand } from "../../core/self.ts";
import type { Outcome } from "../../core/testing/plugin-check.ts";
import { definedOnly } from "../../core/values.ts";
import { exit } from "../failure.ts";
import type { Register } from "../groups.ts";
import { problemLines } from "../problem-lines.ts";
import type { Paint } from "../text.ts";

const scriptHelp = `
A script for --script is written in the runtime's language. It gets two parameters, as JSON on standard input and as variables:
it prints the text in message (ATTUNE_ACTION_MESSAGE) and ends with exit_code (ATTUNE_ACTION_EXIT_CODE).

A storage or transport is opened and written to: check it where no daemon uses what it is connected to.`;

export const pluginCheckCommand: Register = (command, context, setExitCode) => {
  command
    .command("check <file>")
    .description("try a plugin against the contract of its kind; needs no daemon")
    .option("--script <file>", "a script that a runtime is to run")
    .addHelpText("after", scriptHelp)
    .action(async (given: string, options: { script?: string }) => {
      const shown = context();
      const { io } = shown;
      const file = existing(io.cwd, given);
      const script = options.script === undefined ? undefined : existing(io.cwd, options.script);
      const { checkPlugin } = await import("../../core/testing/plugin-check.ts");
      const printing: Promise<void>[] = [];
      const explained = new Set<string>();
      const { kind, name, outcomes } = await checkPlugin({
        file,
        script,
        command: selfCommand(),
        env: definedOnly(io.env),
        cwd: io.cwd,
        signal: io.signal,
        onOutcome: (outcome) => {
          if (shown.format === "table") printing.push(io.out(outcomeLines(outcome, io.cwd, shown.paint, explained)));
        },
      });
      await Promise.all(printing);
      const kept = outcomes.filter(({ status }) => status === "ok").length;
      const ok = kept === outcomes.length;
      if (!ok) setExitCode(exit.failed);
      const what = kind === null ? "" : ` is a ${kind} plugin:`;
      await shown.done({ file, kind, name, ok, cases: outcomes }, `\n${given}${what} ${kept} of ${outcomes.length} ok`);
      if (kind === "runtime" && ok && script === undefined && shown.format === "table")
        await io.err("no script was run: --script FILE runs one\n");
    });
};

function existing(cwd: string, given: string): string {
  const file = path.resolve(cwd, given);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) throw new AttuneError("NOT_FOUND", `${file} is no file`);
  return file;
}

/** A mistake that several cases come upon is explained once: `explained` is added to. */
function outcomeLines({ name, status, ms, problem }: Outcome, cwd: string, paint: Paint, explained: Set<string>): string {
  const style = status === "ok" ? "green" : status === "failed" ? "red" : "dim";
  const time = status === "not tried" ? "" : `${ms} ms`;
  const line = `${paint(status.padEnd(9), style)} ${time.padStart(8)}  ${name}\n`;
  if (!problem) return line;
  const key = JSON.stringify([problem.message, problem.file, problem.line, problem.column]);
  if (explained.has(key)) return line;
  explained.add(key);
  const file = path.relative(cwd, problem.file);
  const placed = { ...problem, file: file.startsWith("..") ? problem.file : file, frame: problem.frame ?? "" };
  return `${line}${problemLines([placed], "error")}\n`;
}
