// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell scripts are full of them
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import type { RuntimeNames } from "../../src/core/packs/runner.ts";
import { type ScannedPack, scanPack } from "../../src/core/packs/scan.ts";
import { builtinNames, MANIFEST } from "../support/pack-scans.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { processorTime } from "../support/processor-time.ts";

const temp = tempDir("imports");
afterAll(() => temp[Symbol.dispose]());
let count = 0;
const fresh = () => `${temp.path}/${count++}/p`;

const runtimeNames: RuntimeNames = {
  words: new Map([...builtinNames.words, ["bun", "core.bun"], ["awk", "core.awk"]]),
  extensions: new Map([...builtinNames.extensions, [".ts", "core.bun"], [".js", "core.bun"]]),
};

/** A pack with an action for each of the scripts in actions/. */
function pack(files: Readonly<Record<string, string>>): string {
  const actions = Object.keys(files).flatMap((path) => /^actions\/(\w+)\.(?:main)\.(\w+)$/.exec(path)?.slice(1) ?? []);
  const definitions: Record<string, string> = {};
  for (let at = 0; at < actions.length; at += 2) {
    definitions[`actions/${actions[at]}.yaml`] = `ref: p.${actions[at]}\nentry_point: ${actions[at]}.main.${actions[at + 1]}\n`;
  }
  return writePack(fresh(), { "pack.yaml": MANIFEST, ...definitions, ...files });
}

async function hashes(dir: string, previous?: ScannedPack): Promise<[Record<string, string>, ScannedPack]> {
  const scanned = await scanPack(dir, { runtimeNames, ...(previous ? { previous } : {}) });
  expect(scanned.problems).toEqual([]);
  const all = [...scanned.actions.values(), ...scanned.sensors.values()];
  return [Object.fromEntries(all.map(({ ref, hash }) => [ref.slice(2), hash])), scanned];
}

/** Names of the components whose hash changes when each of the files is written; every edit is made on top of those before. */
async function changedBy(dir: string, edits: Readonly<Record<string, string>>): Promise<Record<string, string[]>> {
  const result: Record<string, string[]> = {};
  let [before, scanned] = await hashes(dir);
  for (const [path, content] of Object.entries(edits)) {
    writePack(dir, { [path]: content });
    const [after, next] = await hashes(dir, scanned);
    result[path] = Object.keys(after).filter((ref) => before[ref] !== after[ref]);
    // What is carried from scan to scan must give what a scan from nothing gives.
    expect((await hashes(dir))[0]).toEqual(after);
    [before, scanned] = [after, next];
  }
  return result;
}

describe("TypeScript and JavaScript", () => {
  test("what a script imports, directly or not, changes it and nothing else", async () => {
    const dir = pack({
      "actions/a.main.ts": '#!/usr/bin/env bun\nimport { b } from "./helper";\nimport type { T } from "../lib/types.ts";\nb();\n',
      "actions/b.main.ts": 'export * from "../lib/one.js";\nconst x = require("./data.json");\nawait import("./late.ts");\n',
      "actions/c.main.js":
        'import "attune"; import fs from "node:fs"; new Worker(new URL("./worker.ts", import.meta.url)); fs.x();\n',
      "actions/helper.ts": 'import { deep } from "../lib/deep";\nexport const b = deep;\n',
      "lib/deep/index.ts": 'import "../one.ts";\nexport const deep = () => {};\n',
      "lib/one.ts": 'import "./deep/index.ts";\n',
      "lib/two.ts": "",
    });
    expect(
      await changedBy(dir, {
        "actions/helper.ts": 'import { deep } from "../lib/deep";\nexport const b = () => deep;\n',
        "lib/deep/index.ts": 'import "../one.ts";\nexport const deep = 1;\n',
        "lib/one.ts": "",
        "lib/two.ts": "1",
        "lib/types.ts": "1",
        "actions/data.json": "{}",
        "actions/late.ts": "1",
        "actions/worker.ts": "1",
        "actions/unknown.ts": "1",
        "actions/helper.json": "{}",
      }),
    ).toEqual({
      "actions/helper.ts": ["a"],
      "lib/deep/index.ts": ["a", "b"],
      "lib/one.ts": ["a", "b"],
      "lib/two.ts": [],
      "lib/types.ts": [],
      "actions/data.json": ["b"],
      "actions/late.ts": ["b"],
      "actions/worker.ts": ["c"],
      "actions/unknown.ts": [],
      "actions/helper.json": ["a"],
    });
  });

  test("a name may stand for a file in lib, as NODE_PATH has it", async () => {
    const dir = pack({
      "actions/a.main.ts": 'import { one } from "one";\none();\n',
      "actions/b.main.js": 'require("sub/two.js"); require("fs"); require("node:path"); require("@scope/x");\n',
    });
    expect(
      await changedBy(dir, { "lib/one.ts": "1", "lib/sub/two.js": "1", "lib/@scope/x.js": "1", "lib/path.js": "1" }),
    ).toEqual({
      "lib/one.ts": ["a"],
      "lib/sub/two.js": ["b"],
      "lib/@scope/x.js": ["b"],
      "lib/path.js": [],
    });
  });

  test.each([
    ["a computed import", "await import(name);"],
    ["a computed require", 'require("./x" + y);'],
    ["a template with a value", "await import(`./${name}.ts`);"],
    ["a name mapped by package.json", 'import x from "#x"; x();'],
    ["a syntax error", "let = ;;; import"],
    ["nesting without end", "(".repeat(200_000)],
    ["a file too large to read as a script", `//${"x".repeat(1_100_000)}`],
  ])("with %s anything in lib and beside it may be used", async (_, code) => {
    const dir = pack({ "actions/a.main.ts": code, "actions/b.main.ts": 'import( "./x.ts" ); require(`./y`)\n' });
    expect(
      await changedBy(dir, {
        "lib/deep/x.ts": "1",
        "actions/deep/y": "1",
        "other/z.ts": "1",
        "actions/z.yaml": "ref: p.b2\nentry_point: b.main.ts\n",
      }),
    ).toEqual({
      "lib/deep/x.ts": ["a"],
      "actions/deep/y": ["a"],
      "other/z.ts": [],
      // The definition beside it is a component of its own, and new.
      "actions/z.yaml": ["b2"],
    });
  });
});

describe("Python", () => {
  test("modules and packages beside the script and in lib", async () => {
    const dir = pack({
      "actions/a.main.py": "import os, common as c\nimport json; import tools.web.client\n",
      "actions/b.main.py":
        "def f():\n    from tools import (  # both\n        text,\n        web as w,\n    )\ntry: import extra\nexcept ImportError: pass\n",
      "actions/c.main.py": "import sys\nfrom os import path\n# import common\n",
      "actions/common.py": "import both\n",
      "lib/tools/__init__.py": "",
      "lib/tools/text.py": "from . import inner\nfrom .other import x\nfrom ..sibling import y\n",
      "lib/tools/web/__init__.py": "",
      "lib/tools/web/client.py": "import tools\n",
    });
    expect(
      await changedBy(dir, {
        "actions/common.py": "import both # again\n",
        "actions/both.py": "1",
        "lib/both.py": "1",
        "lib/tools/__init__.py": "1",
        "lib/tools/text.py": "from . import inner\nfrom .other import x\nfrom ..sibling import y\nx = 1\n",
        "lib/tools/inner.py": "1",
        "lib/tools/other/__init__.py": "1",
        "lib/sibling.py": "1",
        "lib/tools/web/client.py": "1",
        "lib/tools/web/server.py": "1",
        "actions/extra.py": "1",
        "lib/common.txt": "1",
      }),
    ).toEqual({
      "actions/common.py": ["a"],
      "actions/both.py": ["a"],
      "lib/both.py": ["a"],
      "lib/tools/__init__.py": ["a", "b"],
      "lib/tools/text.py": ["b"],
      "lib/tools/inner.py": ["b"],
      "lib/tools/other/__init__.py": ["b"],
      "lib/sibling.py": ["b"],
      "lib/tools/web/client.py": ["a"],
      "lib/tools/web/server.py": [],
      "actions/extra.py": ["b"],
      "lib/common.txt": [],
    });
  });

  test.each([
    ["importlib.import_module(name)"],
    ["mod = __import__('x')"],
    ["exec(open(p).read())"],
    ["import sys\nLIB = '/x'\nsys.path.insert(0, LIB)"],
    ["import runpy\nrunpy.run_path(p)"],
  ])("after `%s` anything in lib and beside it may be used", async (code) => {
    const dir = pack({ "actions/a.main.py": code, "actions/b.main.py": "cursor.exec(1)\n" });
    expect(await changedBy(dir, { "lib/x.py": "1", "actions/y.py": "1" })).toEqual({ "lib/x.py": ["a"], "actions/y.py": ["a"] });
  });

  test("a search path built from the script's own place is followed", async () => {
    const dir = pack({
      "actions/a.main.py":
        'import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib", "python"))\nimport deep\n',
      "actions/b.main.py": "import sys; sys.path.append(str(Path(__file__).parent.parent / 'common'))\nimport deep\n",
      "actions/c.main.py": "import os\nsys.path.append(os.path.dirname(os.path.dirname(__file__)))\nfrom common.deep import x\n",
    });
    expect(await changedBy(dir, { "lib/python/deep.py": "1", "common/deep.py": "1", "lib/other.py": "1" })).toEqual({
      "lib/python/deep.py": ["a"],
      "common/deep.py": ["b", "c"],
      "lib/other.py": [],
    });
  });
});

describe("shell", () => {
  test.each([
    ['. "$(dirname "$0")/common.sh"', "actions/common.sh"],
    ["source `dirname $0`/common.sh", "actions/common.sh"],
    ['source "$(dirname "${BASH_SOURCE[0]}")"/../lib/util.sh', "lib/util.sh"],
    ['source "${BASH_SOURCE%/*}/common.sh"', "actions/common.sh"],
    [". ${0%/*}/common.sh", "actions/common.sh"],
    ['HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" >/dev/null 2>&1 && pwd)"\nsource "$HERE/common.sh"', "actions/common.sh"],
    ['HERE=$(dirname "$(readlink -f "$0")")\nLIB="${HERE}/../lib"\n[ -f "$LIB/util.sh" ] && . "$LIB/util.sh"', "lib/util.sh"],
    ["set -e; . ./lib/util.sh", "lib/util.sh"],
    ["if true; then source 'lib/util.sh'; fi", "lib/util.sh"],
    ['cd "$(dirname "$0")"\n. ./common.sh', "actions/common.sh"],
    ["source common.sh", "actions/common.sh"],
    ['exec python3 "$(dirname "$0")/worker.py" "$@"', "actions/worker.py"],
    ["bash lib/util.sh | cat", "lib/util.sh"],
  ])("%s", async (code, used) => {
    const dir = pack({ "actions/a.main.sh": `#!/bin/bash\n${code}\n`, "actions/b.main.sh": "# . lib/util.sh\necho a. b/c\n" });
    expect(await changedBy(dir, { [used]: "x=1\n", "lib/unused.sh": "", "actions/unused.sh": "" })).toEqual({
      [used]: ["a"],
      "lib/unused.sh": [],
      "actions/unused.sh": [],
    });
  });

  test("a sourced file sources others, relative to itself and to the script; what it starts has imports of its own", async () => {
    const dir = pack({
      "actions/a.main.sh": '. "$(dirname "$0")/../lib/one.sh"\n',
      "lib/one.sh": '. "${BASH_SOURCE%/*}/two.sh"; . "$(dirname "$0")/three.sh"; python3 "${BASH_SOURCE%/*}/four.py"\n',
      "lib/four.py": "import five\n",
    });
    const edits = { "lib/two.sh": "1", "actions/three.sh": "1", "lib/three.sh": "1", "lib/five.py": "1" };
    expect(await changedBy(dir, edits)).toEqual({
      "lib/two.sh": ["a"],
      "actions/three.sh": ["a"],
      "lib/three.sh": [],
      "lib/five.py": ["a"],
    });
  });

  test.each([
    ['source "$CONFIG"'],
    ['HERE=$(dirname "$0")\nHERE=$1\n. "$HERE/x.sh"'],
    ['for f in "$(dirname "$0")"/*.sh; do . "$f"; done'],
    ['eval "source $x"'],
    [". lib/my file.sh"],
  ])("after `%s` anything in lib and beside it may be used", async (code) => {
    const dir = pack({ "actions/a.main.sh": code, "actions/b.main.sh": ". /etc/os-release\nsource <(true)\n" });
    expect(await changedBy(dir, { "lib/x": "1", "actions/y": "1" })).toEqual({ "lib/x": ["a"], "actions/y": ["a"] });
  });

  test("code that stands in the definition starts in the pack's directory", async () => {
    const dir = pack({
      "actions/a.yaml": "ref: p.a\nentry_point: |\n  . lib/util.sh\n  echo\n",
      "actions/b.yaml": 'ref: p.b\nentry_point: |\n  . "$X"\n  echo\n',
      "actions/c.yaml": "ref: p.c\nentry_point: echo hi\n",
    });
    expect(await changedBy(dir, { "lib/util.sh": "1", "lib/x.sh": "1", "actions/y.sh": "1" })).toEqual({
      "lib/util.sh": ["a", "b"],
      "lib/x.sh": ["b"],
      "actions/y.sh": [],
    });
  });
});

describe("in general", () => {
  test("of other runtimes nothing is known but that they may use lib", async () => {
    const dir = pack({
      "actions/a.yaml": "ref: p.a\nentry_point: a.awk\nrunner_type: awk\n",
      "actions/a.awk": '@include "b.awk"\n',
      "sensors/s.yaml": "ref: p.s\nentry_point: s\ntrigger_types: [t]\n",
      "triggers/t.yaml": "ref: p.t\n",
      "sensors/s": "#!/bin/sh\n. ./x.sh\n",
    });
    expect(await changedBy(dir, { "lib/x": "1", "actions/b.awk": "1" })).toEqual({ "lib/x": ["a", "s"], "actions/b.awk": [] });
  });

  test("imports never leave the pack, also not by links, and installed packages are not looked at", async () => {
    const code =
      'import "../../outside.ts"; import "./link.ts"; import "./folder/x.ts"; import "./node_modules/x.ts"; import "./nowhere.ts";';
    const dir = pack({ "actions/a.main.ts": code, "../outside.ts": "", "../folder/x.ts": "", "actions/node_modules/x.ts": "" });
    symlinkSync("../../outside.ts", `${dir}/actions/link.ts`);
    symlinkSync("../../folder", `${dir}/actions/folder`);
    symlinkSync("nowhere", `${dir}/actions/nowhere.ts`);
    expect(await changedBy(dir, { "../outside.ts": "1", "../folder/x.ts": "1", "actions/node_modules/x.ts": "1" })).toEqual({
      "../outside.ts": [],
      "../folder/x.ts": [],
      "actions/node_modules/x.ts": [],
    });
  });

  test("what an imported file may use, its importer may use", async () => {
    const dir = pack({ "actions/a.main.sh": ". lib/util.sh\n", "lib/util.sh": '. "$X"\n', "actions/b.main.sh": "" });
    expect(await changedBy(dir, { "lib/x.sh": "", "actions/x.sh": "" })).toEqual({ "lib/x.sh": ["a"], "actions/x.sh": ["a"] });
  });

  test("an import that vanishes, or becomes a directory, changes who uses it and is no error", async () => {
    const dir = pack({ "actions/a.main.sh": ". lib/util.sh\n", "lib/util.sh": "", "actions/b.main.sh": "" });
    const [before, first] = await hashes(dir);
    unlinkSync(`${dir}/lib/util.sh`);
    const [without, second] = await hashes(dir, first);
    expect([without["a"] === before["a"], without["b"] === before["b"]]).toEqual([false, true]);
    mkdirSync(`${dir}/lib/util.sh`);
    expect((await hashes(dir, second))[0]).toEqual(without);
    rmSync(`${dir}/lib/util.sh`, { recursive: true });
    writeFileSync(`${dir}/lib/util.sh`, "");
    expect((await hashes(dir, second))[0]).toEqual(before);
  });

  test("beyond 200 files or 50 steps anything may be used", async () => {
    const chain = (length: number, folder: string) =>
      Object.fromEntries(Array.from({ length }, (_, at) => [`${folder}/${at}.sh`, `. ${folder}/${at + 1}.sh\n`]));
    const wide = Array.from({ length: 210 }, (_, at) => `. wide/${at}.sh`).join("\n");
    const dir = pack({
      "actions/a.main.sh": ". short/0.sh\n",
      "actions/b.main.sh": ". long/0.sh\n",
      "actions/c.main.sh": wide,
      ...chain(40, "short"),
      ...chain(60, "long"),
      ...Object.fromEntries(Array.from({ length: 210 }, (_, at) => [`wide/${at}.sh`, ""])),
    });
    expect(await changedBy(dir, { "lib/x.sh": "", "short/39.sh": "", "wide/3.sh": "x" })).toEqual({
      "lib/x.sh": ["b", "c"],
      "short/39.sh": ["a"],
      "wide/3.sh": ["c"],
    });
  });

  test("hostile text is judged in a moment", async () => {
    const size = 300_000;
    const hostile = [
      "from a import (\n",
      "from . ",
      " ".repeat(3) + "import a,",
      "$(dirname ",
      "source ",
      "$0/",
      "import(`",
      "\n. ",
      "eval . ",
    ];
    const files = hostile.flatMap((text, at) =>
      ["py", "sh", "ts"].map((ending) => [`actions/x${at}${ending}.main.${ending}`, text.repeat(size / text.length)]),
    );
    const dir = pack(Object.fromEntries(files));
    expect(await processorTime(() => hashes(dir))).toBeLessThan(5_000);
  });
});
