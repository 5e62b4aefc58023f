import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { terminal } from "../support/terminal.ts";

// In a run from source the types are made by tsc first, which takes seconds.
setDefaultTimeout(60_000);

let root: string;
let dir: string;
beforeAll(() => {
  root = mkdtempSync(path.join(tmpdir(), "attune-cli-"));
});
beforeEach(() => {
  dir = mkdtempSync(path.join(root, "project-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
const attune = (...argv: string[]) => terminal({ cwd: dir }).run(argv);
const read = (file: string) => readFileSync(path.join(dir, file), "utf8");

test("a plugin is made with what an editor needs, and says what comes next", async () => {
  expect(await attune("plugin", "create", "lua", "--kind", "runtime")).toEqual({
    code: 0,
    out: "made plugins/lua.ts\nmade plugins/tsconfig.json\nmade plugins/attune.d.ts\n\nNext: say runner_type: lua in an action\n",
    err: "",
  });
  expect(read("plugins/lua.ts")).toContain('extensions: [".lua"]');
  expect(read("plugins/attune.d.ts")).toContain('declare module "attune" {');

  const { out } = await attune("plugin", "create", "my-spool", "--kind", "transport");
  expect(out).toStartWith("made plugins/my-spool.ts\n\nNext: name it in attune.config.ts");
  expect(out).toContain('import mySpool from "./plugins/my-spool.ts";\n  export default defineConfig({ transport: mySpool });\n');
});

test("--dir and -o json", async () => {
  const { out } = await attune("plugin", "create", "told", "--kind", "hooks", "--dir", "a/b", "-o", "json");
  expect(JSON.parse(out)).toEqual({
    name: "told",
    kind: "hooks",
    file: "a/b/told.ts",
    made: ["a/b/told.ts", "a/b/tsconfig.json", "a/b/attune.d.ts"],
    refreshed: [],
  });
});

test("nothing is overwritten but types that an older attune wrote", async () => {
  mkdirSync(path.join(dir, "plugins"));
  for (const file of ["mine.ts", "tsconfig.json", "attune.d.ts"]) writeFileSync(path.join(dir, "plugins", file), "mine");
  const taken = await attune("plugin", "create", "mine", "--kind", "hooks");
  expect([taken.code, taken.err]).toEqual([1, expect.stringContaining("plugins/mine.ts exists already")]);

  expect((await attune("plugin", "create", "other", "--kind", "hooks")).out).toStartWith("made plugins/other.ts\n\n");
  expect(["mine.ts", "tsconfig.json", "attune.d.ts"].map((file) => read(`plugins/${file}`))).toEqual(["mine", "mine", "mine"]);

  const heading = (version: string) => `// Types of attune ${version}. Written by attune\n`;
  writeFileSync(path.join(dir, "plugins/attune.d.ts"), heading("999.0.0"));
  expect((await attune("plugin", "create", "third", "--kind", "hooks")).out).toStartWith("made plugins/third.ts\n\n");
  expect(read("plugins/attune.d.ts")).toBe(heading("999.0.0"));

  writeFileSync(path.join(dir, "plugins/attune.d.ts"), heading("0.0.1"));
  const { out } = await attune("plugin", "create", "fourth", "--kind", "hooks");
  expect(out).toStartWith("made plugins/fourth.ts\nrefreshed plugins/attune.d.ts\n\n");
  expect(read("plugins/attune.d.ts")).toContain('declare module "attune" {');
  expect(readdirSync(path.join(dir, "plugins")).filter((file) => file.startsWith("attune.d.ts."))).toEqual([]);
});

test("init makes types for the configuration and the plugins, once", async () => {
  const first = JSON.parse((await attune("init", "-j")).out);
  expect(first.made).toContainValues(["tsconfig.json", "plugins/tsconfig.json", "plugins/attune.d.ts"]);
  expect((await attune("plugin", "create", "lua", "--kind", "runtime")).out).toStartWith("made plugins/lua.ts\n\n");
  writeFileSync(path.join(dir, "plugins/attune.d.ts"), "// Types of attune 0.0.1. \n");
  const again = JSON.parse((await attune("init", "-j")).out);
  expect([again.made, again.refreshed]).toEqual([[], ["plugins/attune.d.ts"]]);
});

test("a wrong name or kind is a mistake of usage, and writes nothing", async () => {
  for (const [name, kind] of [
    ["Lua", "runtime"],
    ["../lua", "runtime"],
    ["lua", "runtimes"],
  ] as const) {
    const { code, err } = await attune("plugin", "create", name, "--kind", kind);
    expect([code, err]).toEqual([2, expect.stringContaining("hint: use ")]);
  }
  expect(readdirSync(dir)).toEqual([]);
});
