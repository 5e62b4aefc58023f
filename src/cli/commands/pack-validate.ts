import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { AttuneError } from "../../core/errors.ts";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
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
      const { validatePacks } = await import("../../core/packs/validate.ts");
      const { offlineRuntimeNames } = await import("../offline-runtimes.ts");
      const { offlineSchemas } = await import("../offline-schemas.ts");
      const { checkRule } = await import("../../core/events/compile.ts");
      const validated = await validatePacks(
        directories.map((directory) => path.resolve(shown.io.cwd, directory)),
        { runtimeNames: offlineRuntimeNames(), known: offlineSchemas(), checkRule },
      );
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

/** The pack at a path as it was given, or the packs in a directory that is none itself. */
function packsAt(given: string, cwd: string): string[] {
  const dir = path.resolve(cwd, given);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    throw new AttuneError("NOT_FOUND", `${dir} is not a directory`, {
      hint: "give the directory that holds pack.yaml, or one that holds packs",
    });
  }
  const isPack = (candidate: string) => existsSync(path.resolve(cwd, candidate, "pack.yaml"));
  const own = path.isAbsolute(given) ? dir : path.relative(cwd, dir) || ".";
  const inner = readdirSync(dir)
    .filter((name) => !name.startsWith("."))
    .sort()
    .map((name) => path.join(own, name));
  const packs = inner.filter(isPack);
  return isPack(own) || packs.length === 0 ? [own] : packs;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
