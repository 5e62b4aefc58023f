import { afterAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { parseDocument } from "../../src/core/packs/yaml/document.ts";
import { brief, scanFiles } from "../support/pack-scans.ts";
import { tempDir } from "../support/packs.ts";
import { processorTime } from "../support/processor-time.ts";

const temp = tempDir("mistakes");
afterAll(() => temp[Symbol.dispose]());
let count = 0;

const scripts = { "actions/a.sh": "#!/bin/sh\n", "actions/plain": "not executable", "sensors/s.py": "" };
const ACTION = "ref: p.a\nentry_point: a.sh\n";
const RULE = "ref: r\ntrigger_ref: core.intervaltimer\naction_ref: core.echo\n";

interface Mistake {
  readonly name: string;
  readonly file?: string;
  readonly yaml: string;
  /** `severity line:column message`, with the file left out. */
  readonly says: string;
  readonly hint: string | null;
}

const mistakes: readonly Mistake[] = [
  // What is not YAML, or not the YAML that is accepted.
  {
    name: "tab",
    yaml: "ref: p.a\nparameters:\n\tx: {}\n",
    says: "3:1 a tab is used for indentation",
    hint: "replace the tab with spaces",
  },
  {
    name: "indentation",
    yaml: `${ACTION}parameters:\n  a: {}\n b: {}\n`,
    says: "5:1 all mapping items must start at the same column",
    hint: "same column",
  },
  {
    name: "open quote",
    yaml: 'ref: "p.a\nentry_point: a.sh\n',
    says: '1:6 the quote " is never closed',
    hint: 'end the text with "',
  },
  {
    name: "open bracket",
    yaml: "ref: p.a\ntags: [a, b\nentry_point: a.sh\n",
    says: "3:1 a bracket above this line is not closed",
    hint: "with ]",
  },
  {
    name: "no space after a colon",
    yaml: "ref: p.a\nentry_point:a.sh\n",
    says: "2:1 this line is not of the form `name: value`",
    hint: "a space after the colon",
  },
  {
    name: "no space in the first line",
    yaml: "ref:p.a\nentry_point: a.sh\n",
    says: "1:1 a key and its value can't be told apart",
    hint: "a space after the colon",
  },
  {
    name: "second colon",
    yaml: `${ACTION}description: note: this\n`,
    says: "3:14 a second colon in one value",
    hint: "put quotes around the value",
  },
  {
    name: "bare asterisk",
    yaml: `${ACTION}description: * * * * *\n`,
    says: "3:14 alias cannot be an empty string",
    hint: "put quotes",
  },
  {
    name: "unknown anchor",
    yaml: `${ACTION}description: *all\n`,
    says: "3:14 *all refers to an anchor &all that does not exist above",
    hint: "put quotes",
  },
  {
    name: "reserved character",
    yaml: `${ACTION}description: @me\n`,
    says: "3:14 plain value cannot start with reserved character @",
    hint: 'start with "@"',
  },
  { name: "bad escape", yaml: `${ACTION}description: "\\d"\n`, says: "3:15 invalid escape sequence \\d", hint: "single quotes" },
  {
    name: "bare template",
    file: "rules/r.yaml",
    yaml: `${RULE}action_params:\n  message: {{ payload.x }}\n`,
    says: "5:13 a key must be a plain word",
    hint: "quotes around a template",
  },
  {
    name: "template in text",
    file: "rules/r.yaml",
    yaml: `${RULE}action_params:\n  message: {{ payload.x }} now\n`,
    says: "5:28 unexpected scalar at node end",
    hint: "quotes around a template",
  },
  { name: "own tag", yaml: `${ACTION}description: !secret x\n`, says: "3:14 tags are not supported", hint: "remove the tag" },
  {
    name: "binary tag",
    yaml: `${ACTION}description: !!binary eA==\n`,
    says: "3:23 tags are not supported",
    hint: "remove the tag",
  },
  {
    name: "two documents",
    yaml: `${ACTION}---\nref: p.b\n`,
    says: "3:1 the file holds more than one YAML document",
    hint: "remove the line with ---",
  },
  { name: "YAML 1.1", yaml: `%YAML 1.1\n---\n${ACTION}`, says: "1:1 YAML 1.1 is not supported", hint: "remove the %YAML line" },
  {
    name: "repeated key",
    yaml: `${ACTION}ref: p.b\n`,
    says: "3:1 `ref` is written twice, first at 1:1",
    hint: "remove one of the two",
  },
  {
    name: "repeated nested key",
    yaml: `${ACTION}parameters: {a: {type: string}, "a": {}}\n`,
    says: "3:33 `a` is written twice, first at 3:14",
    hint: "remove",
  },
  {
    name: "merge key",
    yaml: `${ACTION}meta:\n  a: &a {x: 1}\n  <<: *a\n`,
    says: "5:3 merge keys (<<) are not supported",
    hint: "write the values out",
  },
  {
    name: "__proto__",
    yaml: `${ACTION}parameters:\n  __proto__: {type: string}\n`,
    says: "4:3 `__proto__` can't be used as a key",
    hint: "another name",
  },
  {
    name: "constructor",
    yaml: `${ACTION}parameters:\n  constructor: {type: string}\n`,
    says: "4:3 `constructor` can't be used as a key",
    hint: "another name",
  },
  {
    name: "large number",
    yaml: `${ACTION}timeout: 12345678901234567890\n`,
    says: "3:10 12345678901234567890 is too large to be kept exactly",
    hint: "keep every digit",
  },
  { name: "infinity", yaml: `${ACTION}timeout: .inf\n`, says: "3:10 .inf is not a number JSON can hold", hint: "put quotes" },
  {
    name: "NUL",
    yaml: `${ACTION}description: "a\\0b"\n`,
    says: "3:14 the text holds a NUL character, which can't be stored",
    hint: "remove it",
  },
  { name: "depth", yaml: `${ACTION}meta: ${"[".repeat(60)}\n`, says: "3:58 nested deeper than 50 levels", hint: "quotes" },
  { name: "empty file", yaml: "# nothing yet\n", says: "1:1 the file is empty", hint: "docs/pack-structure.md" },
  { name: "list", yaml: "- a\n- b\n", says: "1:1 expected lines of the form `name: value`, found a list", hint: "space missing" },

  // Fields.
  { name: "no ref", yaml: "entry_point: a.sh\n", says: "1:1 `ref` is missing", hint: "ref: p.a" },
  {
    name: "ref without pack",
    yaml: "ref: a\nentry_point: a.sh\n",
    says: '1:6 `ref` must be a ref of the form pack.name, not the text "a"',
    hint: "write p.a",
  },
  {
    name: "ref of three parts",
    yaml: "ref: p.a.b\nentry_point: a.sh\n",
    says: '1:6 `ref` must be a ref of the form pack.name, not the text "p.a.b"',
    hint: "two parts",
  },
  {
    name: "ref of another pack",
    yaml: "ref: q.a\nentry_point: a.sh\n",
    says: "1:6 `ref` q.a does not belong to the pack p",
    hint: "write ref: p.a",
  },
  {
    name: "word for a flag",
    yaml: `${ACTION}enabled: yes\n`,
    says: '3:10 `enabled` must be true or false, not the text "yes"',
    hint: "write true",
  },
  {
    name: "unit in a number",
    yaml: `${ACTION}timeout: 30s\n`,
    says: '3:10 `timeout` must be a number of seconds above 0, not the text "30s"',
    hint: "without quotes and unit",
  },
  {
    name: "timeout of zero",
    yaml: `${ACTION}timeout_seconds: 0\n`,
    says: "3:18 `timeout_seconds` must be a number of seconds above 0, not the number 0",
    hint: "leave the line out",
  },
  {
    name: "number for text",
    yaml: `${ACTION}label: 2024\n`,
    says: "3:8 `label` must be text, not the number 2024",
    hint: '"2024"',
  },
  { name: "text for a list", yaml: `${ACTION}tags: x\n`, says: '3:7 `tags` must be a list, not the text "x"', hint: "[x]" },
  {
    name: "item of a list",
    yaml: `${ACTION}tags:\n  - x\n  - 1\n`,
    says: "5:5 `tags.1` must be text, not the number 1",
    hint: '"1"',
  },
  {
    name: "list for a schema",
    yaml: `${ACTION}parameters:\n  - name: x\n`,
    says: "4:3 `parameters` must be `name: value` lines, not a list",
    hint: "remove the dashes",
  },
  {
    name: "misspelt choice",
    yaml: `${ACTION}parameter_format: jsn\n`,
    says: '3:19 `parameter_format` must be one of json, yaml, dotenv, not the text "jsn"',
    hint: "did you mean json?",
  },
  {
    name: "other spelling is named",
    yaml: "ref: p.a\nentry_point: a.sh\nkeywords: x\n",
    says: '3:11 `keywords` must be a list, not the text "x"',
    hint: "[x]",
  },
  { name: "empty field", yaml: "ref: p.a\nentry_point:\n", says: "2:1 `entry_point` is empty", hint: "entry_point: a.sh" },
  {
    name: "rule without action",
    file: "rules/r.yaml",
    yaml: "ref: r\ntrigger_ref: t\n",
    says: "1:1 `action_ref` is missing",
    hint: "action_ref: core.echo",
  },
  {
    name: "number for a condition",
    file: "rules/r.yaml",
    yaml: `${RULE}when: 5\n`,
    says: "4:7 `when` must be a CEL expression, not the number 5",
    hint: "quotes",
  },
  {
    name: "trigger list with a bad ref",
    file: "sensors/s.yaml",
    yaml: "ref: p.s\nentry_point: s.py\ntrigger_types: [a, b.c.d]\n",
    says: '3:20 `trigger_types.1` must be a ref of the form pack.name, or a name of this pack, not the text "b.c.d"',
    hint: "two parts",
  },
  {
    name: "version of two numbers",
    file: "pack.yaml",
    yaml: 'ref: p\nversion: "1.0"\n',
    says: '2:10 `version` must be a version of three numbers such as "1.0.0", not the text "1.0"',
    hint: '"1.0.0"',
  },
  {
    name: "version as a number",
    file: "pack.yaml",
    yaml: "ref: p\nversion: 1.0\n",
    says: '2:10 `version` must be a version of three numbers such as "1.0.0", not the number 1',
    hint: "1.0.0",
  },
  {
    name: "pack ref in capitals",
    file: "pack.yaml",
    yaml: "ref: P\nversion: 1.0.0\n",
    says: '1:6 `ref` must be lower case letters, digits, _ and -, without a dot, not the text "P"',
    hint: "did you mean p?",
  },

  // What the files name.
  {
    name: "range of versions",
    yaml: `${ACTION}runtime_version: three\n`,
    says: '3:18 `runtime_version` is no range of versions: "three"',
    hint: "such as",
  },
  {
    name: "list for a runtime's interpreter",
    file: "runtimes/r.yaml",
    yaml: "ref: p.r\nexecution_config:\n  interpreter: [awk, -f]\n",
    says: "3:16 `execution_config.interpreter` must be `name: value` lines, not a list",
    hint: "remove the dashes",
  },
  {
    name: "number of a runtime's arguments",
    file: "runtimes/r.yaml",
    yaml: "ref: p.r\nversions:\n  - version: 3\n    execution_config: {interpreter: {binary: x, args: -f}}\n",
    says: '4:55 `versions.0.execution_config.interpreter.args` must be a list, not the text "-f"',
    hint: "[-f]",
  },
  {
    name: "kind of environment",
    file: "runtimes/r.yaml",
    yaml: "ref: p.r\nexecution_config:\n  environment:\n    env_type: virtualenf\n",
    says:
      "4:15 `execution_config.environment.env_type` must be one of virtualenv, node_modules, gopath, gem_home, local_lib, " +
      'renv, none, not the text "virtualenf"',
    hint: "did you mean virtualenv?",
  },
  {
    name: "manifest that is no file of the pack",
    file: "runtimes/r.yaml",
    yaml: "ref: p.r\nexecution_config:\n  dependencies: {manifest_file: ../x}\n",
    says: '3:33 `execution_config.dependencies.manifest_file` must be the name of a file at the pack\'s root, not the text "../x"',
    hint: null,
  },
  {
    name: "verification without a program",
    file: "runtimes/r.yaml",
    yaml: "ref: p.r\ndistributions:\n  verification:\n    commands:\n      - args: [--version]\n",
    says: "5:9 `distributions.verification.commands.0` has no `binary`",
    hint: "binary: ...",
  },
  {
    name: "pattern of a verification",
    file: "runtimes/r.yaml",
    yaml: 'ref: p.r\ndistributions:\n  verification:\n    commands: [{binary: x, pattern: "(?<a"}]\n',
    says: '4:37 invalid regular expression "(?<a": invalid named capture: `(?<a`',
    hint: "RE2",
  },
  {
    name: "version of a runtime",
    file: "runtimes/r.yaml",
    yaml: "ref: p.r\nversions:\n  - version: three\n",
    says: '3:14 "three" is no version',
    hint: "3.12",
  },
  {
    name: "missing script",
    yaml: "ref: p.a\nentry_point: b.sh\n",
    says: "2:14 `entry_point` names no file: there is no actions/b.sh",
    hint: "did you mean a.sh?",
  },
  {
    name: "script outside",
    yaml: "ref: p.a\nentry_point: ../../x.sh\n",
    says: '2:14 `entry_point` "actions/../../x.sh" is refused: it contains ".."',
    hint: "the pack's actions/ directory",
  },
  {
    name: "absolute script",
    yaml: "ref: p.a\nentry_point: /bin/ls\n",
    says: '2:14 `entry_point` "/bin/ls" is refused: it is absolute',
    hint: "actions/",
  },
  { name: "URL", yaml: "ref: p.a\nentry_point: https://x/y.sh\n", says: "2:14 `entry_point` is a URL", hint: "actions/" },
  {
    name: "directory as a script",
    yaml: "ref: p.a\nentry_point: ./\n",
    says: "2:14 `entry_point` actions/./ is not a regular file",
    hint: "script itself",
  },
  {
    name: "not executable",
    yaml: "ref: p.a\nentry_point: plain\nrunner_type: native\n",
    says: "2:14 actions/plain is not executable",
    hint: "chmod +x actions/plain",
  },
  {
    name: "workflow",
    yaml: "ref: p.a\nworkflow_file: w.yaml\n",
    says: "2:16 workflow actions are not supported",
    hint: "entry_point",
  },
];

test.each([...mistakes])("$name is reported where it is", async ({ file = "actions/a.yaml", yaml, says, hint }) => {
  const scanned = await scanFiles(`${temp.path}/${count++}`, { ...scripts, [file]: yaml });
  const errors = scanned.problems.filter((problem) => problem.severity === "error");
  expect(errors.map(brief)).toEqual([`error ${file}:${says}`]);
  if (hint === null) expect(errors[0]?.hint).toBeNull();
  else expect(errors[0]?.hint).toContain(hint);
});

test("an unknown key is a warning that names the nearest known one, and the component loads", async () => {
  const yaml = `${ACTION}discription: x\nxyzzy: 1\n`;
  const scanned = await scanFiles(`${temp.path}/unknown`, { ...scripts, "actions/a.yaml": yaml });
  expect(scanned.problems.map(brief)).toEqual([
    "warning actions/a.yaml:3:1 unknown key `discription` is ignored",
    "warning actions/a.yaml:4:1 unknown key `xyzzy` is ignored",
  ]);
  expect(scanned.problems[0]?.hint).toBe("did you mean `description`?");
  expect([...scanned.actions.keys()]).toEqual(["p.a"]);
});

test("a bad property of a schema is reported where it is", async () => {
  const yaml = `${ACTION}parameters:\n  good: {type: string}\n  bad: 5\n`;
  const scanned = await scanFiles(`${temp.path}/schema`, { ...scripts, "actions/a.yaml": yaml });
  expect(scanned.problems).toEqual([expect.objectContaining({ severity: "error", file: "actions/a.yaml", line: 5, column: 8 })]);
  expect(scanned.actions.size).toBe(0);
});

test("bad expressions are placed by the path the checker gives, in whatever spelling the file uses", async () => {
  const yaml = "ref: r\ntrigger: t\naction: core.echo\naction_params:\n  message: x\n";
  const scanned = await scanFiles(
    `${temp.path}/rule`,
    { "rules/r.yaml": yaml },
    {
      checkRule: (rule) => [
        { path: ["trigger_ref"], message: `${rule.ref} ${rule.trigger}`, hint: "h" },
        { path: ["action_params", "message"], message: "two" },
      ],
    },
  );
  expect(scanned.problems.map(brief)).toEqual(["error rules/r.yaml:2:10 p.r p.t", "error rules/r.yaml:5:12 two"]);
  expect(scanned.rules.size).toBe(0);
});

test("keys and words that a runtime's file misspells are warnings that name the nearest", async () => {
  const yaml = `ref: p.r
execution_config:
  interpeter: {binary: x}
  interpreter: {binary: x, args: ["{pack_dri}/x"]}
  env_vars:
    A: "{nothing}"
    B: {value: x, seperator: ";"}
    ATTUNE_X: "1"
versions:
  - {version: "1", isdefault: true}
`;
  const scanned = await scanFiles(`${temp.path}/keys`, { "runtimes/r.yaml": yaml });
  expect(scanned.problems.map((problem) => [brief(problem), problem.hint])).toEqual([
    ["warning runtimes/r.yaml:3:3 unknown key `execution_config.interpeter` is ignored", "did you mean `interpreter`?"],
    ["warning runtimes/r.yaml:4:35 {pack_dri} stands for nothing and stays as it is", "did you mean {pack_dir}?"],
    [
      "warning runtimes/r.yaml:6:8 {nothing} stands for nothing and stays as it is",
      "known are {pack_dir}, {env_dir}, {interpreter}, {action_file}, {manifest_path}",
    ],
    ["warning runtimes/r.yaml:7:19 unknown key `execution_config.env_vars.B.seperator` is ignored", "did you mean `separator`?"],
    ["warning runtimes/r.yaml:8:5 `ATTUNE_X` is ignored: names with ATTUNE_ are attune's own", "choose another name"],
    ["warning runtimes/r.yaml:10:20 unknown key `versions.0.isdefault` is ignored", "did you mean `is_default`?"],
  ]);
  expect(scanned.runtimes.has("p.r")).toBe(true);
});

test("a number as runtime_version may have lost a zero", async () => {
  const version = async (text: string) => {
    const yaml = `${ACTION}runtime_version: ${text}\n`;
    const { problems, actions } = await scanFiles(`${temp.path}/version${count++}`, { ...scripts, "actions/a.yaml": yaml });
    return [actions.get("p.a")?.runtime_version, ...problems.map((problem) => problem.message)];
  };
  expect(await version("3.10")).toEqual(["3.1", "`runtime_version` is the number 3.1, also if 3.10 was meant"]);
  expect(await version("3.12")).toEqual(["3.12"]);
  expect(await version('"3.1"')).toEqual(["3.1"]);
});

test("two files with one ref are an error that names both places, and the first serves", async () => {
  const scanned = await scanFiles(`${temp.path}/twice`, {
    ...scripts,
    "actions/a.yaml": ACTION,
    "actions/b.yaml": `label: B\n${ACTION}`,
  });
  expect(scanned.problems.map(brief)).toEqual(["error actions/b.yaml:2:6 `ref` p.a is already used at actions/a.yaml:1:6"]);
  expect(scanned.actions.get("p.a")?.file).toBe("actions/a.yaml");
});

test("bytes that are not UTF-8 are placed", () => {
  const parsed = parseDocument(Buffer.concat([Buffer.from("ref: p.a\nlabel: x"), Buffer.from([0xff, 0x0a])]), "actions/a.yaml");
  expect(parsed).toMatchObject({ document: null, problems: [{ line: 2, column: 9, message: "the file is not valid UTF-8" }] });
});

test("hostile documents are refused quickly", async () => {
  const refused = [
    "a: " + "[".repeat(200_000),
    "a: " + "{a: ".repeat(60_000),
    "- ".repeat(130_000),
    "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c, *c]\n",
    "a: &a [*a]\n",
    "x".repeat(256 * 1024 + 1),
    Array.from({ length: 20_000 }, () => "k: 1").join("\n"),
  ];
  const spent = await processorTime(() => {
    for (const text of refused) expect(parseDocument(Buffer.from(text), "f").document).toBeNull();
  });
  // Deep nesting and bombs would take seconds or the stack if they were composed first.
  expect(spent).toBeLessThan(2_000);
});

test("a file over the size limit is named without being parsed", async () => {
  const dir = `${temp.path}/large`;
  await scanFiles(dir, {});
  writeFileSync(`${dir}/p/pack.yaml`, `ref: p\nversion: 1.0.0\ndescription: ${"x".repeat(300_000)}\n`);
  const { problems, manifest } = await scanFiles(dir, { "pack.yaml": `ref: p\nversion: 1.0.0\n#${"x".repeat(300_000)}` });
  expect(problems.map(brief)).toEqual(["error pack.yaml the file is larger than the 256 KiB allowed"]);
  expect(manifest).toBeNull();
});
