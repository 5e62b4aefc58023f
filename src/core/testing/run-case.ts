import { AttuneError, describeError } from "../errors.ts";
import { explainRule, viewOf } from "../events/explain.ts";
import type { FinishedExecution } from "../executions/store.ts";
import type { JsonObject } from "../plugin.ts";
import { findAction } from "../registry.ts";
import { suggestion } from "../registry-build.ts";
import type { ActionCase, RuleCase, TestCase } from "./cases.ts";
import { type Difference, type Miss, missOf, subsetDifferences, textDifferences, valueDifference } from "./compare.ts";
import type { Workbench } from "./workbench.ts";

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}
/** What came of one test. */
export interface CaseOutcome {
  readonly kind: "action" | "rule" | "runner";
  readonly name: string;
  /** Ref of what was tested; of a runner its file. */
  readonly subject: string;
  /** Where the test stands, relative to the pack. */
  readonly file: string;
  readonly line: number | null;
  readonly ms: number;
  /** Empty: it passed. */
  readonly misses: readonly Miss[];
  /** null when nothing was run. */
  readonly printed: Printed | null;
}

interface Seen {
  readonly misses: readonly Miss[];
  readonly printed: Printed | null;
}

/** Runs one case. What it expects and does not get is its outcome; rejects only when the workbench's signal is aborted. */
export async function runCase(bench: Workbench, test: TestCase): Promise<CaseOutcome> {
  const began = performance.now();
  const seen = test.kind === "action" ? await actionSeen(bench, test) : { misses: ruleMisses(bench, test), printed: null };
  return {
    kind: test.kind,
    name: test.name,
    subject: test.kind === "action" ? test.action : test.rule,
    file: test.file,
    line: test.at([]).line,
    ms: Math.round(performance.now() - began),
    ...seen,
  };
}

async function actionSeen(bench: Workbench, test: ActionCase): Promise<Seen> {
  const action = findAction(bench.registry, test.action);
  if (!action) return { misses: [unknown(test, "action", test.action, actionRefs(bench))], printed: null };
  let parameters: JsonObject;
  try {
    if (!action.enabled) throw new AttuneError("CONFLICT", `action ${action.ref} is disabled`);
    parameters = bench.checkParameters(action, test.parameters);
  } catch (thrown) {
    if (!(thrown instanceof AttuneError)) throw thrown;
    const refused = { status: "refused", exitCode: null, result: {}, error: describeError(thrown) } as const;
    return { misses: actionMisses(test, { ...refused, stdout: "", stderr: "" }), printed: null };
  }
  const ended = await bench.run(await bench.copied(action), { parameters, timeout: test.timeout, env: test.env });
  const printed = printedBy(ended);
  return { misses: actionMisses(test, { ...ended, ...printed }), printed };
}

export function printedBy({ output }: FinishedExecution): Printed {
  const text = (name: "stdout" | "stderr") => output.find(({ stream }) => stream === name)?.content.toString("utf8") ?? "";
  return { stdout: text("stdout"), stderr: text("stderr") };
}

type Ended = Pick<FinishedExecution, "exitCode" | "result" | "error"> & Printed & { readonly status: string };

function actionMisses({ expect, at }: ActionCase, ended: Ended): Miss[] {
  const differences: Difference[] = [
    ...(expect.status === null ? [] : valueDifference("status", expect.status, ended.status)),
    ...(expect.exitCode === null ? [] : valueDifference("exit_code", expect.exitCode, ended.exitCode)),
    ...(expect.result === null ? [] : subsetDifferences(expect.result, ended.result, ["result"])),
    ...textDifferences(expect.stdout, ended.stdout, "stdout"),
    ...textDifferences(expect.stderr, ended.stderr, "stderr"),
    ...textDifferences(expect.error, ended.error ?? "", "error"),
  ];
  const misses = differences.map((difference) => missOf(difference, at));
  // The status alone never says what went wrong.
  const [first] = misses;
  if (first?.what !== "status" || ended.error === null) return misses;
  return [{ ...first, actual: `${first.actual}: ${ended.error}` }, ...misses.slice(1)];
}

function ruleMisses(bench: Workbench, test: RuleCase): Miss[] {
  const rule = bench.registry.rules.get(test.rule);
  if (!rule) return [unknown(test, "rule", test.rule, bench.registry.rules.keys())];
  const judging = { checkParameters: bench.checkParameters, packConfig: bench.packConfig };
  const { verdict, reason, parameters } = explainRule(judging, bench.registry, rule, viewOf(rule, { payload: test.payload }));
  const { expect, at } = test;
  // A rule that fails does not fire either, but nobody means that by saying so.
  const isMet = verdict === "fired" ? expect.fires : !expect.fires && (verdict === "unmatched" || expect.reason !== null);
  const actual = reason === null ? "it fires" : `${verdict}: ${reason}`;
  const expected = expect.fires ? "it fires" : "it does not fire";
  const differences: Difference[] = [
    ...(isMet ? [] : [{ path: ["fires"], expected, actual }]),
    ...textDifferences(expect.reason, reason ?? "", "reason"),
    ...(expect.parameters === null ? [] : subsetDifferences(expect.parameters, parameters ?? undefined, ["parameters"])),
  ];
  return differences.map((difference) => missOf(difference, at));
}

function unknown({ at }: TestCase, kind: "action" | "rule", ref: string, known: Iterable<string>): Miss {
  const near = suggestion(ref, known);
  return { what: kind, expected: ref, actual: `there is no ${kind} ${ref}${near ? `; ${near}` : ""}`, at: at([kind]) };
}

function actionRefs({ registry }: Workbench): string[] {
  return [...registry.packs.values()].flatMap((pack) => [...pack.actions.keys()]);
}
