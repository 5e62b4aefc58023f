import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../errors.ts";
import { explainShown, type GivenEvent, type RuleExplanation, viewOf } from "../events/explain.ts";
import { isMistake } from "../packs/problems.ts";
import { openWorkbench, type Workbench, type WorkbenchOptions } from "./workbench.ts";

/**
 * Judges an event by a rule's file, with the pack it lies in as it is now. Rejects with NOT_FOUND for a file in no pack, and
 * with PACK_INVALID for one with a mistake.
 */
export async function explainFile(
  file: string,
  event: GivenEvent,
  options: Omit<WorkbenchOptions, "packs" | "configured">,
): Promise<RuleExplanation> {
  if (!existsSync(file)) throw new AttuneError("NOT_FOUND", `there is no file ${file}`);
  const real = realpathSync(file);
  const dir = path.dirname(path.dirname(real));
  if (!existsSync(path.join(dir, "pack.yaml"))) {
    throw new AttuneError("NOT_FOUND", `${file} lies in no pack`, { hint: "put it into the folder rules of a pack" });
  }
  await using bench = await openWorkbench({ ...options, packs: [dir], configured: true });
  const rule = bench.registry.rules.get(refIn(bench, path.relative(dir, real), path.relative(options.cwd, file)));
  if (!rule) throw new AttuneError("NOT_FOUND", `there is no rule in ${file}`);
  const judging = { checkParameters: bench.checkParameters, packConfig: bench.packConfig };
  return explainShown(judging, bench.registry, rule, viewOf(rule, event));
}

function refIn({ scans }: Workbench, relative: string, shown: string): string {
  const [scanned] = scans;
  const found = [...(scanned?.rules.values() ?? [])].find((rule) => rule.file === relative);
  if (found && scanned?.manifest) return found.ref;
  const mistakes = scanned?.problems.filter(isMistake) ?? [];
  const mistake = mistakes.find((problem) => problem.file === relative || !scanned?.manifest);
  if (!mistake) throw new AttuneError("NOT_FOUND", `${shown} is no file of a rule`, { hint: "rules are rules/*.yaml of a pack" });
  const { line, column } = mistake;
  throw new AttuneError("PACK_INVALID", mistake.message, {
    at: {
      file: mistake.file === relative ? shown : mistake.file,
      ...(line !== null && { line }),
      ...(column !== null && { column }),
    },
    hint: mistake.hint ?? undefined,
  });
}
