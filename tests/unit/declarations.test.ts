import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { collectDeclarations } from "../../scripts/declarations.ts";
import { tempDir, writePack } from "../support/packs.ts";

let dir: ReturnType<typeof tempDir>;
afterEach(() => dir[Symbol.dispose]());

/** Files as tsc prints them, of which `index.d.ts` is the entry. */
function collect(files: Readonly<Record<string, string>>, elsewhere: Readonly<Record<string, string>> = {}) {
  dir = tempDir("declarations");
  writePack(dir.path, files);
  const known = new Map(Object.entries(elsewhere).map(([name, file]) => [name, join(dir.path, file)]));
  const { declarations, exported, imported } = collectDeclarations(join(dir.path, "index.d.ts"), known);
  return { texts: declarations.map(({ text }) => text.trim()), exported: [...exported], imported: [...imported] };
}

test("what the exports need is found through re-exports and imports, and nothing else", () => {
  const { texts, exported } = collect({
    "index.d.ts": 'export type * from "./types.ts";\nexport { make, type Made } from "./make.ts";\n',
    "types.d.ts":
      "/** Of everything. */\nexport interface Base {\n    /** A member. */\n    a: Hidden;\n}\ntype Hidden = string;\n",
    "make.d.ts":
      'import type { Other } from "./other.ts";\nexport interface Made {\n    other: Other;\n}\nexport declare function make(): Made;\nexport declare function unused(): void;\n',
    "other.d.ts": "export type Other = 1;\nexport type NotNeeded = 2;\nexport {};\n",
  });
  expect(exported).toEqual(["Base", "make", "Made"]);
  expect(texts).toEqual([
    "/** Of everything. */\ninterface Base {\n    /** A member. */\n    a: Hidden;\n}",
    "type Hidden = string;",
    "interface Made {\n    other: Other;\n}",
    "function make(): Made;",
    "type Other = 1;",
  ]);
});

test("what another module exports is imported, with nothing of what it needs", () => {
  const files = {
    "index.d.ts": 'import type { Theirs } from "./theirs.ts";\nexport type Mine = Theirs;\n',
    "theirs.d.ts": "interface Inner {\n}\nexport interface Theirs extends Inner {\n}\n",
  };
  const { texts, imported } = collect(files, { Theirs: "theirs.d.ts" });
  expect([texts, imported]).toEqual([["type Mine = Theirs;"], ["Theirs"]]);
});

test("what can't stand in one file is refused", () => {
  const package_ = 'import type { Pool } from "pg";\nexport type Mine = Pool;\n';
  expect(() => collect({ "index.d.ts": package_ })).toThrow("Pool of the package pg");
  dir[Symbol.dispose]();

  const two = { "a.d.ts": "type T = 1;\nexport type A = T;\n", "b.d.ts": "type T = 2;\nexport type B = T;\n" };
  const both = 'export * from "./a.ts";\nexport * from "./b.ts";\n';
  expect(() => collect({ "index.d.ts": both, ...two })).toThrow("T is declared in");
  dir[Symbol.dispose]();

  expect(() => collect({ "index.d.ts": 'export type A = import("./a.ts").A;\n' })).toThrow("inline import");
  dir[Symbol.dispose]();
  const renamed = { "index.d.ts": 'export { A as B } from "./a.ts";\n', "a.d.ts": "export type A = 1;\n" };
  expect(() => collect(renamed)).toThrow("A is exported as B");
  dir[Symbol.dispose]();
  expect(() => collect({ "index.d.ts": "export = something;\n" })).toThrow("can't read");
});
