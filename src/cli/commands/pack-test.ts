import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { AttuneError, formatPosition, toError } from "../../core/errors.ts";
import type { CaseOutcome } from "../../core/testing/run-case.ts";
import type { PackOutcome } from "../../core/testing/test-pack.ts";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import { packsAt } from "../packs-at.ts";
import { problemLines } from "../problem-lines.ts";
import { problemLog } from "../problem-log.ts";
import { escapeControls } from "../text.ts";

/** Lines of each stream that are shown of a test that failed. */
const mostLines = 10;

/** Runs the tests of packs without a daemon. */
export function addTest(command: Command, context: () => Context, setExitCode: (code: number) => void): void {
  command
    .command("test <paths...>")
    .description("run the tests of packs, or of directories of packs; needs no daemon")
    .option("--junit <file>", "write the outcome as JUnit XML")
    .action(async (paths: string[], options: { junit?: string }) => {
      const shown = context();
      const { io } = shown;
      const directories = [...new Set(paths.flatMap((one) => packsAt(one, io.cwd)))];
      const { openWorkbench } = await import("../../core/testing/workbench.ts");
      const { testPack } = await import("../../core/testing/test-pack.ts");
      const began = performance.now();
      await using log = problemLog(io);
      await using bench = await openWorkbench({
        packs: directories.map((directory) => path.resolve(io.cwd, directory)),
        config: shown.options.config,
        configured: false,
        cwd: io.cwd,
        env: io.env,
        log,
        installing: log.note,
        signal: io.signal,
      });
      const outcomes: PackOutcome[] = [];
      for (const [i, scanned] of bench.scans.entries()) {
        const directory = directories[i] ?? scanned.dir;
        const isTold = shown.format === "table";
        if (isTold) await io.out(`${directory}\n`);
        const outcome = await testPack(bench, scanned, async (one) => {
          if (isTold) await io.out(caseLines(shown, one, directory));
        });
        if (isTold) await io.out(packLines(outcome, directory));
        outcomes.push({ ...outcome, dir: directory });
      }
      if (outcomes.some((outcome) => !outcome.passed)) setExitCode(exit.failed);
      if (shown.format !== "table") await shown.print(outcomes);
      else await io.out(summary(outcomes, performance.now() - began));
      if (options.junit !== undefined) await writeReport(path.resolve(io.cwd, options.junit), outcomes);
    });
}

async function writeReport(file: string, outcomes: readonly PackOutcome[]): Promise<void> {
  const { junitXml } = await import("../../core/testing/junit.ts");
  try {
    writeFileSync(file, junitXml(outcomes));
  } catch (thrown) {
    throw new AttuneError(
      "USAGE",
      `${file} can't be written: ${(thrown as NodeJS.ErrnoException).code ?? toError(thrown).message}`,
    );
  }
}

function caseLines({ paint }: Context, outcome: CaseOutcome, directory: string): string {
  const { name, subject, file, line, ms, misses, printed } = outcome;
  const passed = misses.length === 0;
  const at = formatPosition({ file, ...(line !== null && { line }) });
  const verdict = passed ? paint("ok    ", "green") : paint("FAILED", "red");
  const head = `  ${verdict}  ${escapeControls(`${at}  ${subject}: ${name}`)} (${ms} ms)\n`;
  const details = misses.map(({ what, expected, actual, at: place }) => {
    const where = place ? `${path.join(directory, file)}:${place.line}:${place.column}: ` : "";
    return `    ${escapeControls(`${where}${what}`)}\n      expected ${escapeControls(expected)}\n      got      ${escapeControls(actual, "\n").replaceAll("\n", "\n               ")}\n`;
  });
  return [head, ...details, ...(passed || !printed ? [] : [tail("stdout", printed.stdout), tail("stderr", printed.stderr)])].join(
    "",
  );
}

function tail(name: string, text: string): string {
  if (text === "") return "";
  const lines = text.replace(/\n$/, "").split("\n");
  const left = lines.length > mostLines ? `, the last ${mostLines} lines` : "";
  const shown = lines.slice(-mostLines).map((line) => `      | ${escapeControls(line)}\n`);
  return `    ${name}${left}\n${shown.join("")}`;
}

function packLines({ problems, cases, disabled, passed }: PackOutcome, directory: string): string {
  const lines = problems.map((problem) =>
    problemLines([{ ...problem, file: path.join(directory, problem.file) }], problem.severity).replace(/^/gm, "  "),
  );
  if (disabled) lines.push("  not tested: testing.enabled is false in pack.yaml");
  else if (cases.length === 0 && problems.length === 0) lines.push("  no tests");
  if (passed && cases.some(({ misses }) => misses.length > 0))
    lines.push("  passes all the same, as `testing` in pack.yaml has it");
  return lines.map((line) => `${line}\n`).join("");
}

function summary(outcomes: readonly PackOutcome[], ms: number): string {
  const cases = outcomes.flatMap((outcome) => outcome.cases);
  const failed = cases.filter(({ misses }) => misses.length > 0).length;
  const mistakes = outcomes.reduce((sum, { problems }) => sum + problems.length, 0);
  const parts = [
    `${cases.length - failed} passed`,
    `${failed} failed`,
    ...(mistakes > 0 ? [`${mistakes} ${mistakes === 1 ? "mistake" : "mistakes"} in files`] : []),
  ];
  return `${parts.join(", ")} (${(ms / 1_000).toFixed(1)} s)\n`;
}
