import { expect, test } from "bun:test";
import { announceReload } from "../../src/core/engine/announce.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { ReloadReport } from "../../src/core/packs/reload/history.ts";
import type { Problem } from "../../src/core/plugin.ts";

const unchanged: ReloadReport = {
  pack: "live",
  version: "1.0.0",
  snapshot: null,
  changes: [],
  added: [],
  changed: [],
  removed: [],
  problems: [],
  filesChanged: true,
  isNews: true,
  timing: { watch: 1, parse: 2, database: 3, publish: 3 },
  ms: 9,
};
const problem: Problem = {
  severity: "error",
  file: "rules/r.yaml",
  line: 3,
  column: 7,
  message: "unknown variable: paylod",
  hint: "did you mean `payload`?",
  frame: "> 3 | when: paylod.a\n    |       ^",
};
const changed = (...refs: string[]) => refs.map((ref) => ({ kind: "action" as const, ref, change: "changed" as const }));

function said(report: Partial<ReloadReport>, restarted: readonly string[] = []): [string, string, object?][] {
  const lines: [string, string, object?][] = [];
  const at = (level: string) => (message: string, fields?: object) =>
    void lines.push(fields ? [level, message, fields] : [level, message]);
  announceReload(
    { ...silentLogger, info: at("info"), warn: at("warn"), error: at("error") },
    { ...unchanged, ...report },
    restarted,
  );
  return lines;
}

test("a reload is one line that says what changed and what was restarted", () => {
  expect(said({ changes: changed("live.echo") }, ["live.watcher", "other.watcher"])).toEqual([
    ["info", "live: ~1 action echo, 1 sensor restarted, 9 ms"],
  ]);
  expect(said({ changes: [...changed("live.a", "live.b"), { kind: "rule", ref: "live.r", change: "added" }] })).toEqual([
    ["info", "live: ~2 actions, +1 rule r, 9 ms"],
  ]);
  expect(said({ changed: ["live"] })).toEqual([["info", "live: ~pack.yaml, 9 ms"]]);
  expect(said({ removed: ["live"] })).toEqual([["info", "live: removed, 9 ms"]]);
});

test("each mistake is a line of its own, and that they are gone is one too", () => {
  const { frame: _, ...placed } = problem;
  const unplaced: Problem = { ...placed, severity: "warning", line: null, column: null, hint: null };
  expect(said({ problems: [problem, unplaced] })).toEqual([
    ["info", "live: 1 error, 9 ms"],
    ["error", "live/rules/r.yaml:3:7: unknown variable: paylod", { hint: problem.hint, frame: problem.frame }],
    ["warn", "live/rules/r.yaml: unknown variable: paylod", {}],
  ]);
  expect(said({})).toEqual([["info", "live: files changed, no errors, 9 ms"]]);
});
