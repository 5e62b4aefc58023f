import { afterAll, describe, expect, test } from "bun:test";
import { readTesting } from "../../src/core/packs/kinds/testing-field.ts";
import type { Json } from "../../src/core/plugin.ts";
import { readCases } from "../../src/core/testing/cases.ts";
import { subsetDifferences } from "../../src/core/testing/compare.ts";
import { junitXml } from "../../src/core/testing/junit.ts";
import type { CaseOutcome } from "../../src/core/testing/run-case.ts";
import { brief, scanFiles } from "../support/pack-scans.ts";
import { tempDir, writePack } from "../support/packs.ts";

const temp = tempDir("pack-tests");
afterAll(() => temp[Symbol.dispose]());
let count = 0;
const fresh = () => `${temp.path}/${count++}`;

describe("files of cases", () => {
  const read = (files: Record<string, string>, folder = "tests") => readCases(writePack(fresh(), files), "p", folder);

  test("are read in the order of their names, refs qualified, defaults filled in", () => {
    const { cases, problems } = read({
      "tests/b.yaml": "cases:\n  - { rule: p.r, event: { a: 1 }, expect: { fires: true } }\n",
      "tests/a.yml": "cases:\n  - action: run\n  - { name: n, action: q.x, expect: { exit_code: 3 }, timeout: 2 }\n",
      "tests/notes.txt": "no case",
      "tests/inner/c.yaml": "nor: this\n",
    });
    expect(problems).toEqual([]);
    const [first, second, third] = cases;
    expect(first).toMatchObject({
      kind: "action",
      name: "run (1)",
      action: "p.run",
      file: "tests/a.yml",
      parameters: {},
      env: {},
    });
    expect(first).toMatchObject({ timeout: null, expect: { status: "completed", exitCode: null, stdout: null } });
    expect(second).toMatchObject({ name: "n", action: "q.x", timeout: 2, expect: { status: null, exitCode: 3 } });
    expect(third).toMatchObject({ kind: "rule", rule: "p.r", payload: { a: 1 }, expect: { fires: true, reason: null } });
    expect(second?.at(["expect", "exit_code"])).toEqual({ line: 3, column: 50 });
  });

  test("need not be there", () => expect(read({ "pack.yaml": "" })).toEqual({ cases: [], problems: [] }));

  test("outside of the pack are refused", () => {
    expect(read({ "pack.yaml": "" }, "../other").problems.map(({ message }) => message)).toEqual([
      'can\'t be read: "../other" is refused: it contains ".."',
    ]);
  });

  test.each<[string, string, string | null]>([
    ["case: []\n", "1:1 unknown key `case`", "`cases` only"],
    ["cases: 5\n", "1:8 `cases` must be a list", "write cases:"],
    ["cases:\n  - nope\n", "2:5 a case must be an object", "such as"],
    ["cases:\n  - { expect: {} }\n", "2:5 a case needs `action` or `rule`", "name what it tests"],
    ["cases:\n  - action: a\n    expct: {}\n", "3:5 unknown key `expct`", "did you mean `expect`?"],
    [
      "cases:\n  - action: a\n    expect:\n      stdout: { contain: x }\n",
      "4:17 expect.stdout: unknown key `contain`",
      "did you mean `contains`?",
    ],
    [
      "cases:\n  - { action: a, expect: { status: complete } }\n",
      '2:36 expect.status: must be one of "completed", "failed", "timeout", "refused", got "complete"',
      "did you mean completed?",
    ],
    ['cases:\n  - { action: a, timeout: "5" }\n', '2:27 timeout: must be number, got "5"', "without quotes"],
    ["cases:\n  - { action: a, env: { A: 1 } }\n", "2:28 env.A: must be string, got 1", "quotes"],
    ["cases:\n  - { rule: r, event: {}, expect: {} }\n", "2:35 expect.fires is required", null],
    [
      'cases:\n  - { action: a, expect: { stderr: { matches: "(?=x)" } } }\n',
      '2:47 expect.stderr.matches: invalid regular expression "(?=x)": invalid or unsupported Perl syntax: `(?=`',
      "RE2",
    ],
    ["cases: [\n", "2:1 ", null],
  ])("%j is a mistake", (yaml, says, hint) => {
    const { cases, problems } = read({ "tests/a.yaml": yaml });
    expect(cases).toEqual([]);
    const [problem] = problems;
    expect(problem && brief(problem)).toStartWith(`error tests/a.yaml:${says}`);
    if (hint) expect(problem?.hint).toContain(hint);
  });
});

describe("part of a result", () => {
  test.each<[Json, Json]>([
    [{}, { a: 1 }],
    [{ a: { b: 1 } }, { a: { b: 1, c: 2 }, d: 3 }],
    [[{ a: 1 }], [{ a: 1, b: 2 }]],
    [{ a: null }, { a: null }],
  ])("%j is in %j", (expected, actual) => expect(subsetDifferences(expected, actual, ["r"])).toEqual([]));

  test.each<[Json, Json, string]>([
    [{ a: 1 }, {}, "a"],
    [{ a: null }, {}, "a"],
    [{ a: { b: 1 } }, { a: { b: 2 } }, "a.b"],
    [[1], [1, 2], ""],
    [{ a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 1 }, { b: 3 }] }, "a.1.b"],
    [{ toString: 1 }, {}, "toString"],
    ["1", 1, ""],
    [{}, [], ""],
  ])("%j is not in %j", (expected, actual, path) => {
    expect(subsetDifferences(expected, actual, []).map((one) => one.path.join("."))).toEqual([path]);
  });
});

describe("the section testing of pack.yaml", () => {
  const scan = (testing: string) => scanFiles(fresh(), { "pack.yaml": `ref: p\nversion: 1.0.0\n${testing}` });

  test("has defaults", async () => {
    const { manifest } = await scan("");
    expect(manifest?.testing).toEqual(
      readTesting(
        undefined,
        () => ({ line: 1, column: 1 }),
        () => {},
      ),
    );
    expect(manifest?.testing).toEqual({ enabled: true, path: "tests", runners: [], minPassRate: 1, onFailure: "block" });
  });

  test("is taken as packs write it", async () => {
    const { manifest, problems } = await scan(`testing:
  enabled: true
  discovery: { method: directory, path: checks }
  runners:
    shell: { type: script, entry_point: tests/run.sh, timeout: 60, result_format: simple }
    python: { type: unittest, entry_point: tests/test_a.py }
  result_path: tests/results
  min_pass_rate: 0.5
  on_failure: warn
`);
    expect(problems).toEqual([]);
    expect(manifest?.testing).toEqual({
      enabled: true,
      path: "checks",
      runners: [
        { runtime: "shell", type: "script", entryPoint: "tests/run.sh", timeout: 60 },
        { runtime: "python", type: "unittest", entryPoint: "tests/test_a.py", timeout: null },
      ],
      minPassRate: 0.5,
      onFailure: "warn",
    });
  });

  test.each<[string, string]>([
    [
      "testing: { min_pass_rate: 5 }\n",
      "error pack.yaml:3:27 `testing.min_pass_rate` must be a number from 0 to 1, not the number 5",
    ],
    [
      "testing: { runners: { shell: { type: scrpt, entry_point: a } } }\n",
      'error pack.yaml:3:38 `testing.runners.shell.type` must be one of script, unittest, pytest, not the text "scrpt"',
    ],
    ["testing: { runners: { shell: {} } }\n", "error pack.yaml:3:23 `testing.runners.shell` has no entry_point"],
    ["testing: { runnrs: {} }\n", "warning pack.yaml:3:12 unknown key `testing.runnrs` is ignored"],
    [
      "testing: { runners: { shell: { entry_point: a, timout: 5 } } }\n",
      "warning pack.yaml:3:48 unknown key `testing.runners.shell.timout` is ignored",
    ],
  ])("%j is said", async (testing, says) => {
    expect((await scan(testing)).problems.map(brief)).toContain(says);
  });
});

test("JUnit XML holds whatever a script printed", () => {
  const failed: CaseOutcome = {
    kind: "action",
    name: 'a "name" <b>',
    subject: "p.a",
    file: "tests/a.yaml",
    line: 3,
    ms: 1_500,
    misses: [{ what: "stdout.contains", expected: "]]> & more", actual: "\u0000\u001b[31m\ud800", at: null }],
    printed: { stdout: "\u0000\u001b[31mred", stderr: "\n" },
  };
  const problem = { severity: "error", file: "tests/b.yaml", line: 2, column: 1, message: "bad < worse", hint: null } as const;
  const xml = junitXml([{ pack: "p", dir: "p", problems: [problem], cases: [failed], disabled: false, passed: false }]);
  expect(xml).toStartWith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n');
  expect(xml).toContain('<testsuite name="p" tests="2" failures="1" errors="1" time="1.500">');
  expect(xml).toContain('name="p.a: a &quot;name&quot; &lt;b&gt;" file="tests/a.yaml" line="3" time="1.500"');
  expect(xml).toContain("expected ]]&gt; &amp; more, got \ufffd\ufffd[31m\ufffd");
  expect(xml).toContain("<system-out>\ufffd\ufffd[31mred</system-out>");
  expect(xml).toContain('<error message="tests/b.yaml:2:1: bad &lt; worse"/>');
  const parsed = Bun.spawnSync(["python3", "-c", "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.stdin.buffer)"], {
    stdin: Buffer.from(xml),
  });
  expect(parsed.exitCode).toBe(0);
});
