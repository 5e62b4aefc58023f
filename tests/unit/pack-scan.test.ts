import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type FileState, fileStates } from "../../src/core/packs/files.ts";
import { findPacks } from "../../src/core/packs/find.ts";
import { scanPack } from "../../src/core/packs/scan.ts";
import { validatePacks } from "../../src/core/packs/validate.ts";
import { brief, builtinNames, MANIFEST, scanFiles } from "../support/pack-scans.ts";
import { tempDir, writePack } from "../support/packs.ts";

const temp = tempDir("scan");
afterAll(() => temp[Symbol.dispose]());
let count = 0;
const fresh = () => `${temp.path}/${count++}`;
/** Longer than a file's time stamp needs to prove that the file is unchanged. */
const settle = () => Bun.sleep(60);

describe("what a file may state", () => {
  test("an action, in full and with nothing but what it must have", async () => {
    const scanned = await scanFiles(fresh(), {
      "actions/full.yaml": `
ref: p.http_request
label: Ask
description: d
enabled: false
tags: [net]
runner_type: Python3
entry_point: actions/full.py
parameters: {url: {type: string, required: true}}
output: {status: {type: integer}}
parameter_delivery: file
parameter_format: yaml
output_format: json
timeout_seconds: 2.5
`,
      "actions/full.py": "",
      "actions/least.yml": "ref: p.do_it_now\nentry_point: least.sh\nlabel:\n",
      "actions/least.sh": "",
    });
    expect(scanned.problems).toEqual([]);
    expect(scanned.actions.get("p.http_request")).toMatchObject({
      kind: "action",
      pack: "p",
      label: "Ask",
      enabled: false,
      tags: ["net"],
      runtime: "core.python",
      entrypoint: `${scanned.dir}/actions/full.py`,
      inline: false,
      dir: scanned.dir,
      delivery: "file",
      format: "yaml",
      output_format: "json",
      timeout: 2.5,
      file: "actions/full.yaml",
    });
    expect(scanned.actions.get("p.do_it_now")).toMatchObject({
      label: "Do It Now",
      description: null,
      enabled: true,
      tags: [],
      runtime: "core.shell",
      parameters: {},
      output: {},
      delivery: "compat",
      format: "json",
      output_format: "text",
      timeout: null,
    });
  });

  test("a stated format without a delivery means stdin; env is a delivery", async () => {
    const scanned = await scanFiles(fresh(), {
      "actions/a.yaml": "ref: p.a\nentry_point: x.sh\nparameter_format: dotenv\n",
      "actions/b.yaml": "ref: p.b\nentry_point: x.sh\nparameter_delivery: env\n",
      "actions/x.sh": "",
    });
    expect(scanned.actions.get("p.a")).toMatchObject({ delivery: "stdin", format: "dotenv" });
    expect(scanned.actions.get("p.b")).toMatchObject({ delivery: "env", format: "json" });
  });

  test("both forms of a schema become the flat one", async () => {
    const scanned = await scanFiles(fresh(), {
      "triggers/flat.yaml": "ref: p.flat\nparameters: {a: {type: string, required: true}, b: {type: integer}}\n",
      "triggers/wrapped.yaml":
        "ref: p.wrapped\nparameters: {type: object, properties: {a: {type: string}, b: {type: integer}}, required: [a]}\n",
    });
    expect(scanned.problems).toEqual([]);
    expect(scanned.triggers.get("p.wrapped")?.parameters).toEqual(scanned.triggers.get("p.flat")?.parameters ?? {});
    expect(scanned.triggers.get("p.flat")?.parameters["a"]).toMatchObject({ type: "string", required: true });
  });

  test("the contract's other spellings", async () => {
    const scanned = await scanFiles(fresh(), {
      "pack.yaml": "ref: p\nname: Pack\nversion: 1.0.0\nconfig_schema: {k: {type: string}}\nmetadata: {a: 1}\nkeywords: [x]\n",
      "actions/a.yaml":
        "ref: p.a\nname: An action\nentry_point: x.sh\nparameters_schema: {a: {type: string}}\noutput_schema: {b: {type: string}}\ntimeout: 120\n",
      "actions/x.sh": "",
      "triggers/t.yaml": "ref: p.t\nparameters_schema: {a: {type: string}}\npayload_schema: {b: {type: string}}\n",
      "sensors/s.yaml": "ref: p.s\nentry_point: s.py\ntrigger_type: t\n",
      "sensors/s.py": "",
      "rules/r.yaml": "ref: r\ntrigger: t\naction: a\n",
    });
    expect(scanned.problems).toEqual([]);
    expect(scanned.manifest).toMatchObject({ label: "Pack", meta: { a: 1 }, tags: ["x"] });
    expect(Object.keys(scanned.manifest?.conf_schema ?? {})).toEqual(["k"]);
    const action = scanned.actions.get("p.a");
    expect(action).toMatchObject({ label: "An action", timeout: 120 });
    expect([Object.keys(action?.parameters ?? {}), Object.keys(action?.output ?? {})]).toEqual([["a"], ["b"]]);
    const trigger = scanned.triggers.get("p.t");
    expect([Object.keys(trigger?.parameters ?? {}), Object.keys(trigger?.output ?? {})]).toEqual([["a"], ["b"]]);
    expect(scanned.sensors.get("p.s")).toMatchObject({ triggers: ["p.t"], runtime: "core.python", control: "restart" });
    expect(scanned.rules.get("p.r")).toMatchObject({ trigger: "p.t", action: "p.a", when: null, conditions: {} });
  });

  test("of two spellings the proper one counts, wherever it stands", async () => {
    const scanned = await scanFiles(fresh(), {
      "triggers/t.yaml": "payload_schema: {old: {type: string}}\nref: p.t\noutput: {new: {type: string}}\n",
    });
    expect(Object.keys(scanned.triggers.get("p.t")?.output ?? {})).toEqual(["new"]);
    expect(scanned.problems.map(brief)).toEqual([
      "warning triggers/t.yaml:1:1 `payload_schema` is ignored, because `output` is there too",
    ]);
  });

  test("a pack's own runtime serves its actions; a name that is taken keeps its meaning", async () => {
    const scanned = await scanFiles(fresh(), {
      "runtimes/awk.yaml":
        "ref: p.awk\naliases: [gawk, shell]\nexecution_config: {interpreter: {binary: awk, args: [-f], file_extension: .awk}}\n",
      "actions/a.yaml": "ref: p.a\nrunner_type: gawk\nentry_point: x.awk\n",
      "actions/b.yaml": "ref: p.b\nentry_point: x.awk\n",
      "actions/c.yaml": "ref: p.c\nrunner_type: shell\nentry_point: x.awk\n",
      "actions/x.awk": "",
    });
    expect(scanned.problems).toEqual([]);
    expect(scanned.runtimes.get("p.awk")).toMatchObject({ name: "awk", pack: "p", aliases: ["gawk", "shell"] });
    expect([...scanned.actions.values()].map((action) => action.runtime)).toEqual(["p.awk", "p.awk", "core.shell"]);
  });

  test("text with white space is a shell action's code, unless a file has that name", async () => {
    const scanned = await scanFiles(fresh(), {
      "actions/a.yaml": "ref: p.a\nentry_point: |\n  echo hi\n  exit 3\n",
      "actions/b.yaml": "ref: p.b\nentry_point: my file.sh\n",
      "actions/c.yaml": "ref: p.c\nrunner_type: python\nentry_point: print( 1 )\n",
      "actions/my file.sh": "",
    });
    expect(scanned.actions.get("p.a")).toMatchObject({ inline: true, entrypoint: "echo hi\nexit 3\n", runtime: "core.shell" });
    expect(scanned.actions.get("p.b")).toMatchObject({ inline: false, entrypoint: `${scanned.dir}/actions/my file.sh` });
    expect(scanned.problems.map(brief)).toEqual([
      "error actions/c.yaml:3:14 `entry_point` names no file: there is no actions/print( 1 )",
    ]);
  });

  test("only YAML files directly in the folders are read, sorted by name", async () => {
    const scanned = await scanFiles(fresh(), {
      "triggers/b.yml": "ref: p.b\n",
      "triggers/a.yaml": "ref: p.a\n",
      "triggers/deeper/c.yaml": "not: read\n",
      "triggers/.hidden.yaml": "not: read\n",
      "triggers/a.yaml~": "not: read\n",
      "workflows/w.yaml": "not: read\n",
    });
    expect(scanned.problems).toEqual([]);
    expect([...scanned.triggers.keys()]).toEqual(["p.a", "p.b"]);
  });
});

describe("hashes", () => {
  const files = {
    "pack.yaml": MANIFEST,
    "lib/util.sh": "x=1\n",
    "actions/a.yaml": "ref: p.a\nentry_point: a.sh\nparameters: {x: {type: string, default: 1}}\n",
    "actions/a.sh": "#!/bin/sh\n. lib/util.sh\n",
    "actions/b.yaml": "ref: p.b\nentry_point: b.sh\n",
    "actions/b.sh": "#!/bin/sh\n",
    "sensors/s.yaml": "ref: p.s\nentry_point: s\nrunner_type: native\ntrigger_types: [t]\n",
    "sensors/s": "#!/bin/sh\n",
    "triggers/t.yaml": "ref: p.t\n",
    "rules/r.yaml": "ref: r\ntrigger_ref: t\naction_ref: a\n",
  };

  async function hashes(dir: string): Promise<Record<string, string>> {
    const scanned = await scanPack(dir, { runtimeNames: builtinNames });
    expect(scanned.problems).toEqual([]);
    const { actions, sensors, triggers, rules } = scanned;
    const all = [...actions.values(), ...sensors.values(), ...triggers.values(), ...rules.values()];
    return Object.fromEntries([["p", scanned.manifest?.hash ?? ""], ...all.map(({ ref, hash }) => [ref, hash])]);
  }

  const edits: [string, Record<string, string>, string[]][] = [
    [
      "a comment and the order of keys",
      { "actions/a.yaml": "# new\nparameters: {x: {default: 1, type: string}}\nentry_point: a.sh\nref: p.a\n" },
      [],
    ],
    ["one script", { "actions/a.sh": "#!/bin/sh\necho\n" }, ["p.a"]],
    ["one definition", { "actions/b.yaml": "ref: p.b\nentry_point: b.sh\ntimeout: 3\n" }, ["p.b"]],
    ["a library that a script uses, and a program may use", { "lib/util.sh": "x=2\n" }, ["p.a", "p.s"]],
    ["a new file deep in the library, which only a program may use", { "lib/deep/er.py": "" }, ["p.s"]],
    ["what tools leave behind", { "lib/__pycache__/x.pyc": "x", "lib/node_modules/a/b.js": "x", "README.md": "x" }, []],
    ["the runtime", { "actions/b.yaml": "ref: p.b\nentry_point: b.sh\nrunner_type: python\n" }, ["p.b"]],
    ["a trigger", { "triggers/t.yaml": "ref: p.t\noutput: {x: {type: string}}\n" }, ["p.t"]],
    ["a rule", { "rules/r.yaml": "ref: r\ntrigger_ref: t\naction_ref: a\nwhen: 'true'\n" }, ["p.r"]],
    ["the manifest", { "pack.yaml": `${MANIFEST}config: {a: 1}\n` }, ["p"]],
  ];
  test.each(edits)("%s", async (_, edit, changed) => {
    const dir = `${fresh()}/p`;
    const before = await hashes(writePack(dir, files));
    const after = await hashes(writePack(dir, edit));
    expect(
      Object.keys(before)
        .filter((ref) => before[ref] !== after[ref])
        .sort(),
    ).toEqual(changed);
  });

  test("are the same for the same pack elsewhere, under a link, and for a renamed YAML file", async () => {
    const dir = `${fresh()}/p`;
    const before = await hashes(writePack(dir, files));
    const other = fresh();
    mkdirSync(other);
    cpSync(dir, `${other}/q`, { recursive: true });
    renameSync(`${other}/q/actions/a.yaml`, `${other}/q/actions/z.yaml`);
    symlinkSync("q", `${other}/p`);
    expect(await hashes(`${other}/p`)).toEqual(before);
  });
});

describe("scanning again", () => {
  test("what did not change is not read again, and keeps its identity", async () => {
    const dir = fresh();
    const first = await scanFiles(dir, {
      "actions/a.yaml": "ref: p.a\nentry_point: x.sh\n",
      "actions/x.sh": "",
      "rules/r.yaml": "ref: r\ntrigger_ref: t\naction_ref: a\n",
      "triggers/bad.yaml": "ref: [\n",
    });
    await settle();
    let checked = 0;
    const checkRule = () => {
      checked += 1;
      return [];
    };
    const options = { runtimeNames: builtinNames, checkRule };
    const second = await scanPack(`${dir}/p`, { ...options, previous: first });
    expect(second.actions.get("p.a")).toBe(first.actions.get("p.a") as never);
    expect(second.rules.get("p.r")).toBe(first.rules.get("p.r") as never);
    expect(second.problems).toEqual(first.problems);
    expect(checked).toBe(0);

    writeFileSync(`${dir}/p/rules/r.yaml`, "ref: r\ntrigger_ref: t\naction_ref: b\n");
    const third = await scanPack(`${dir}/p`, { ...options, previous: second });
    expect(third.rules.get("p.r")?.action).toBe("p.b");
    expect(third.actions.get("p.a")).toBe(first.actions.get("p.a") as never);
    expect(checked).toBe(1);
  });

  test("an equal stamp counts only when it was old enough at the time of reading", async () => {
    const dir = fresh();
    mkdirSync(dir);
    writeFileSync(`${dir}/f`, "1");
    const young = await fileStates(dir, new Map()).hashOf("f");
    expect(young.settled).toBe(false);
    await settle();
    const old = await fileStates(dir, new Map()).hashOf("f");
    expect(old).toEqual({ ...young, settled: true });

    // What a kernel with coarse time stamps leaves behind when a second write follows within one tick.
    const stale = (settled: boolean) =>
      new Map<string, FileState>([["f", { stamp: old.stamp, settled, hash: "of the first write" }]]);
    expect((await fileStates(dir, stale(false)).hashOf("f")).hash).toBe(old.hash);
    expect((await fileStates(dir, stale(true)).hashOf("f")).hash).toBe("of the first write");
  });

  test("an action may be there before its runtime: it is another one once something provides the word", async () => {
    const dir = fresh();
    const first = await scanFiles(dir, { "actions/a.yaml": "ref: p.a\nrunner_type: awk\nentry_point: x\n", "actions/x": "" });
    expect(first.actions.get("p.a")?.runtime).toBe("awk");
    expect(first.problems.map(brief)).toEqual(['warning actions/a.yaml:2:14 there is no runtime "awk"']);
    await settle();
    const awk = (ref: string) => ({ ...builtinNames, words: new Map([...builtinNames.words, ["awk", ref], [ref, ref]]) });
    const second = await scanPack(`${dir}/p`, { runtimeNames: awk("local.awk"), previous: first });
    expect(second.actions.get("p.a")?.runtime).toBe("local.awk");
    expect(second.problems).toEqual([]);

    // Also when the word was the ref itself: what is stored of it names the runtime.
    const yaml = { "actions/a.yaml": "ref: p.a\nrunner_type: Local.awk\nentry_point: x\n", "actions/x": "" };
    const other = fresh();
    const third = await scanFiles(other, yaml);
    expect(third.actions.get("p.a")?.runtime).toBe("local.awk");
    const fourth = await scanPack(`${other}/p`, { runtimeNames: awk("local.awk"), previous: third });
    expect(fourth.actions.get("p.a")?.runtime).toBe("local.awk");
    expect(fourth.actions.get("p.a")?.hash).not.toBe(third.actions.get("p.a")?.hash ?? "");
  });

  test("an unknown runtime does not hide that the script is missing", async () => {
    const scanned = await scanFiles(fresh(), { "actions/a.yaml": "ref: p.a\nrunner_type: shel\nentry_point: x.sh\n" });
    expect(scanned.problems.map(brief)).toEqual([
      'warning actions/a.yaml:2:14 there is no runtime "shel"',
      "error actions/a.yaml:3:14 `entry_point` names no file: there is no actions/x.sh",
    ]);
    expect(scanned.problems[0]?.hint).toBe("did you mean shell?");
    expect(scanned.actions.size).toBe(0);
  });

  test("a script that appears, or becomes executable, makes an untouched action good", async () => {
    const dir = fresh();
    const first = await scanFiles(dir, { "actions/a.yaml": "ref: p.a\nrunner_type: native\nentry_point: x\n" });
    expect(first.problems[0]?.message).toContain("there is no actions/x");
    await settle();
    writeFileSync(`${dir}/p/actions/x`, "");
    const second = await scanPack(`${dir}/p`, { runtimeNames: builtinNames, previous: first });
    expect(second.problems[0]?.message).toContain("not executable");
    chmodSync(`${dir}/p/actions/x`, 0o755);
    const third = await scanPack(`${dir}/p`, { runtimeNames: builtinNames, previous: second });
    expect([...third.actions.keys()]).toEqual(["p.a"]);
  });

  test("another ref in pack.yaml is applied to the files that did not change", async () => {
    const dir = fresh();
    const first = await scanFiles(dir, { "rules/r.yaml": "ref: r\ntrigger_ref: t\naction_ref: a\n" });
    await settle();
    writeFileSync(`${dir}/p/pack.yaml`, "ref: q\nversion: 1.0.0\n");
    const second = await scanPack(`${dir}/p`, { runtimeNames: builtinNames, previous: first });
    expect([...second.rules.keys()]).toEqual(["q.r"]);
    expect(second.problems.map(brief)).toEqual(["warning pack.yaml:1:6 the pack q lies in a directory named p"]);
  });

  test("a copy of a file does not take the ref from the one that has it", async () => {
    const dir = fresh();
    const first = await scanFiles(dir, { "triggers/t.yaml": "ref: p.t\n" });
    writeFileSync(`${dir}/p/triggers/copy.yaml`, "ref: p.t\ntype: new\n");
    const second = await scanPack(`${dir}/p`, { runtimeNames: builtinNames, previous: first });
    expect(second.triggers.get("p.t")?.file).toBe("triggers/t.yaml");
    expect(second.problems.map(brief)).toEqual(["error triggers/copy.yaml:1:6 `ref` p.t is already used at triggers/t.yaml:1:6"]);
  });
});

describe("hostile directories", () => {
  test("links out of the pack, FIFOs and directories in place of files are refused; links inside are not", async () => {
    const dir = fresh();
    writePack(dir, { "elsewhere/t.yaml": "ref: p.out\n", "elsewhere/x.sh": "" });
    writePack(`${dir}/p`, { "pack.yaml": MANIFEST, "triggers/t.yaml": "ref: p.t\n", "other/u.yaml": "ref: p.u\n" });
    symlinkSync("../../elsewhere/t.yaml", `${dir}/p/triggers/out.yaml`);
    symlinkSync("../other/u.yaml", `${dir}/p/triggers/inside.yaml`);
    symlinkSync("gone", `${dir}/p/triggers/nowhere.yaml`);
    execFileSync("mkfifo", [`${dir}/p/triggers/fifo.yaml`]);
    mkdirSync(`${dir}/p/triggers/dir.yaml`);
    mkdirSync(`${dir}/p/actions`);
    symlinkSync("../../elsewhere/x.sh", `${dir}/p/actions/x.sh`);
    writeFileSync(`${dir}/p/actions/x.yaml`, "ref: p.x\nentry_point: x.sh\n");
    symlinkSync("../elsewhere", `${dir}/p/sensors`);
    const scanned = await scanPack(`${dir}/p`, { runtimeNames: builtinNames });
    expect([...scanned.triggers.keys()].sort()).toEqual(["p.t", "p.u"]);
    expect(scanned.problems.map(brief)).toEqual([
      'error actions/x.yaml:2:14 `entry_point` "actions/x.sh" is refused: it is a link to a place outside',
      'error sensors can\'t be read: "sensors" is refused: it is a link to a place outside',
      "error triggers/dir.yaml can't be read: it is not a regular file",
      "error triggers/fifo.yaml can't be read: it is not a regular file",
      "error triggers/nowhere.yaml the link leads nowhere",
      'error triggers/out.yaml can\'t be read: "triggers/out.yaml" is refused: it is a link to a place outside',
    ]);
  });

  test("in lib they are named, and what is good there still counts", async () => {
    const dir = fresh();
    writePack(`${dir}/p`, {
      "pack.yaml": MANIFEST,
      "lib/a.sh": "",
      "actions/x.yaml": "ref: p.x\nentry_point: x.sh\n",
      "actions/x.sh": "",
    });
    symlinkSync("/etc/passwd", `${dir}/p/lib/b`);
    symlinkSync("..", `${dir}/p/lib/c`);
    execFileSync("mkfifo", [`${dir}/p/lib/d`]);
    const scanned = await scanPack(`${dir}/p`, { runtimeNames: builtinNames });
    expect(scanned.problems.map(brief)).toEqual([
      'error lib/b "lib/b" is refused: it is a link to a place outside',
      "error lib/d it is not a regular file",
    ]);
    expect([...scanned.actions.keys()]).toEqual(["p.x"]);
  });

  test("a pack without pack.yaml, or no longer there, is a problem and not an exception", async () => {
    const dir = fresh();
    mkdirSync(`${dir}/p`, { recursive: true });
    for (let round = 0; round < 2; round++) {
      const scanned = await scanPack(`${dir}/p`, { runtimeNames: builtinNames });
      expect(scanned).toMatchObject({ ref: "p", manifest: null });
      expect(scanned.problems.map(brief)).toEqual(["error pack.yaml pack.yaml is missing"]);
      rmSync(`${dir}/p`, { recursive: true, force: true });
    }
    writeFileSync(`${dir}/p`, "");
    const scanned = await scanPack(`${dir}/p`, { runtimeNames: builtinNames });
    expect(scanned.problems.map(brief)).toEqual(["error pack.yaml pack.yaml is missing"]);
  });

  test("a script of many megabytes is hashed by its content", async () => {
    const dir = fresh();
    const files = { "actions/a.yaml": "ref: p.a\nentry_point: big.sh\n", "actions/big.sh": `${"#".repeat(3_000_000)}1` };
    const first = await scanFiles(dir, files);
    const second = await scanFiles(dir, { "actions/big.sh": `${"#".repeat(3_000_000)}2` }, { previous: first });
    expect(second.actions.get("p.a")?.hash).not.toBe(first.actions.get("p.a")?.hash as string);
  });
});

describe("findPacks", () => {
  test("lists subdirectories and links with a pack.yaml, by the ref they state", async () => {
    const dir = fresh();
    writePack(dir, {
      "one/b/pack.yaml": "ref: b\nversion: 1.0.0\n",
      "one/a/pack.yaml": "# x\nversion: 1.0.0\nref: 'other' # y\n",
      "one/c/pack.yaml": "{ref: flow, version: 1.0.0}\n",
      "one/d/pack.yaml": "broken: [\n",
      "one/e/README.md": "",
      "one/.git/pack.yaml": "ref: git\n",
      "one/file": "",
      "two/b/pack.yaml": "ref: b\nversion: 1.0.0\n",
    });
    symlinkSync("../two/b", `${dir}/one/z`);
    const found = await findPacks([`${dir}/one`, `${dir}/missing`, `${dir}/two`, `${dir}/one/`]);
    expect(found.map((pack) => [pack.ref, pack.dir.slice(dir.length)])).toEqual([
      ["other", "/one/a"],
      ["b", "/one/b"],
      ["flow", "/one/c"],
      ["d", "/one/d"],
      ["b", "/one/z"],
      ["b", "/two/b"],
    ]);
  });
});

describe("validatePacks", () => {
  const nothing = { triggers: new Map(), actions: new Map() };

  test("also finds refs to what the pack itself lacks", async () => {
    const dir = writePack(`${fresh()}/p`, {
      "pack.yaml": MANIFEST,
      "triggers/t.yaml": "ref: p.tick\n",
      "actions/broken.yaml": "ref: p.broken\nentry_point: gone.sh\n",
      "rules/r.yaml": "ref: r\ntrigger_ref: tik\naction_ref: broken\n",
      "rules/s.yaml": "ref: s\ntrigger: core.intervaltimer\naction: nothing\n",
    });
    const [validated] = await validatePacks([dir], { runtimeNames: builtinNames, known: nothing });
    const problems = validated?.problems ?? [];
    expect(problems.map(brief)).toEqual([
      "error actions/broken.yaml:2:14 `entry_point` names no file: there is no actions/gone.sh",
      "error rules/r.yaml:2:14 there is no trigger p.tik",
      "error rules/s.yaml:3:9 there is no action p.nothing",
    ]);
    expect(problems[1]?.hint).toBe("did you mean p.tick?");
    expect(problems[1]?.frame).toContain("> 2 | trigger_ref: tik\n");
  });

  test("looks into the other packs it was given, and asks nothing of those it was not", async () => {
    const root = fresh();
    const dirs = [
      writePack(`${root}/p`, {
        "pack.yaml": MANIFEST,
        "rules/r.yaml": "ref: r\ntrigger_ref: q.tick\naction_ref: q.nothing\ntrigger_params: {sped: 1}\n",
        "rules/s.yaml": "ref: s\ntrigger_ref: elsewhere.t\naction_ref: elsewhere.a\ntrigger_params: {sped: 1}\n",
        "actions/a.yaml": "ref: p.a\nrunner_type: awk\nentry_point: a.awk\n",
        "actions/a.awk": "",
      }),
      writePack(`${root}/q`, {
        "pack.yaml": "ref: q\nversion: 1.0.0\n",
        "triggers/t.yaml": "ref: q.tick\nparameters: {speed: {type: integer}}\n",
        "runtimes/awk.yaml": "ref: q.awk\nexecution_config: {interpreter: {binary: awk, args: [-f]}}\n",
      }),
    ];
    const validated = await validatePacks(dirs, { runtimeNames: builtinNames, known: nothing });
    expect(validated.map(({ ref, problems }) => [ref, problems.map(brief)])).toEqual([
      [
        "p",
        [
          "error rules/r.yaml:3:13 there is no action q.nothing",
          "error rules/r.yaml:4:18 trigger_params: unknown parameter `sped`",
        ],
      ],
      ["q", []],
    ]);
    expect(validated[0]?.problems[1]?.hint).toBe("did you mean `speed`?");
  });
});
