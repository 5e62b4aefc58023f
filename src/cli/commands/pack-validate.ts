import path from "node:path";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import { packsAt } from "../packs-at.ts";
import { problemLines } from "../problem-lines.ts";

/** Checks directories of packs without a daemon. */
export function addValidate(command: Command, context: () => Context, setExitCode: (code: number) => void): void {
  command
    .command("validate <paths...>")
    .description("check packs, or directories of packs; needs no daemon")
    .option("--strict", "warnings fail too")
    .action(async (paths: string[], options: { strict?: boolean }) => {
      const shown = context();
      const directories = [...new Set(paths.flatMap((one) => packsAt(one, shown.io.cwd)))];
      const { validateOffline } = await import("../validate-offline.ts");
      const validated = await validateOffline(directories.map((directory) => path.resolve(shown.io.cwd, directory)));
      const packs = validated.map(({ ref, problems }, i) => ({ ref, problems, directory: directories[i] ?? "." }));
      const all = packs.flatMap((pack) => pack.problems);
      const errors = all.filter((problem) => problem.severity === "error").length;
      if (errors > 0 || (options.strict && all.length > 0)) setExitCode(exit.failed);
      if (shown.format !== "table") {
        return shown.print(
          packs.flatMap(({ ref, directory, problems }) =>
            problems.map((problem) => ({ pack: ref, path: path.join(directory, problem.file), ...problem })),
          ),
        );
      }
      for (const { directory, problems } of packs) {
        if (problems.length === 0) await shown.io.out(`${directory} is valid\n`);
        for (const problem of problems) {
          const placed = { ...problem, file: path.join(directory, problem.file) };
          await shown.io.out(`${problemLines([placed], problem.severity)}\n`);
        }
      }
      if (all.length > 0) await shown.io.out(`${count(errors, "error")}, ${count(all.length - errors, "warning")}\n`);
    });
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
