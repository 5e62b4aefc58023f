import { withFrames } from "../packs/frames.ts";
import { isMistake } from "../packs/problems.ts";
import type { ScannedPack } from "../packs/scan.ts";
import type { Problem } from "../plugin.ts";
import { readCases } from "./cases.ts";
import { type CaseOutcome, runCase } from "./run-case.ts";
import { runRunner } from "./run-runner.ts";
import type { Workbench } from "./workbench.ts";

/** What came of the tests of one pack. */
export interface PackOutcome {
  readonly pack: string;
  readonly dir: string;
  /** Mistakes in the pack's files and in those of its tests. */
  readonly problems: readonly Problem[];
  readonly cases: readonly CaseOutcome[];
  /** `testing.enabled: false`: nothing was tested. */
  readonly disabled: boolean;
  /** Whether the pack passes: `testing.min_pass_rate` and `testing.on_failure` allow what failed, and no file has a mistake. */
  readonly passed: boolean;
}

/** Tests one pack, one test after the other; `told` hears of each as it ends. */
export async function testPack(
  bench: Workbench,
  scanned: ScannedPack,
  told: (outcome: CaseOutcome) => Promise<void>,
): Promise<PackOutcome> {
  const pack = bench.registry.packs.get(scanned.ref);
  const mistakes = scanned.problems.filter(isMistake);
  const base = { pack: scanned.ref, dir: scanned.dir };
  if (!pack || !scanned.manifest) return { ...base, problems: mistakes, cases: [], disabled: false, passed: false };
  const { testing } = scanned.manifest;
  if (!testing.enabled) return { ...base, problems: mistakes, cases: [], disabled: true, passed: mistakes.length === 0 };

  const files = readCases(scanned.dir, scanned.ref, testing.path);
  const cases: CaseOutcome[] = [];
  const note = async (outcome: CaseOutcome) => {
    cases.push(outcome);
    await told(outcome);
  };
  for (const test of files.cases) await note(await runCase(bench, test));
  for (const runner of testing.runners) await note(await runRunner(bench, pack, runner));

  const problems = [...mistakes, ...withFrames(scanned.dir, files.problems)];
  const rate = cases.length === 0 ? 1 : cases.filter(({ misses }) => misses.length === 0).length / cases.length;
  const passed = problems.length === 0 && (rate >= testing.minPassRate || testing.onFailure === "warn");
  return { ...base, problems, cases, disabled: false, passed };
}
