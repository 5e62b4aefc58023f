import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asksForPackages, copyManifests, manifestFiles, pathsIn } from "../../src/core/manifest-files.ts";
import { tempDir, writePack } from "../support/packs.ts";

test.each([
  ["-r base.txt\n  --constraint=limits.txt # why\n-e ./tool\n", ["base.txt", "limits.txt", "tool"]],
  [
    "requests>=2\n./wheels/a.whl\nwheels/b-1.0.tar.gz ; python_version > '3'\nc.whl\n",
    ["wheels/a.whl", "wheels/b-1.0.tar.gz", "c.whl"],
  ],
  ["tool @ file:vendor/tool.whl\n", ["vendor/tool.whl"]],
  ['{"dependencies":{"a":"file:./a.tgz","b":"link:b","c":"^1.0.0","d":"git+https://x/y"}}', ["a.tgz", "b"]],
  ['[tool.uv.sources]\nmine = { path = "libs/mine" }\n', ["libs/mine"]],
  ["-r https://example.org/r.txt\n-e /etc\n-r ../other.txt\nfile:///etc/passwd\n--index-url https://x/simple\n", []],
])("the paths in %j", (text, paths) => {
  expect(pathsIn(text)).toEqual(paths);
});

test("what a manifest names is followed, within the pack", async () => {
  using dir = tempDir("manifests");
  const pack = writePack(join(dir.path, "pack"), {
    "requirements.txt": "-r more/base.txt\n-r gone.txt\n-r outside.txt\n./tool\n-r requirements.txt\n",
    "more/base.txt": "-c limits.txt\n",
    "more/limits.txt": "",
    "tool/setup.py": "",
  });
  writeFileSync(join(dir.path, "secret"), "secret");
  symlinkSync(join(dir.path, "secret"), join(pack, "outside.txt"));
  expect(await manifestFiles(pack, ["requirements.txt"])).toEqual([
    "more/base.txt",
    "more/limits.txt",
    "requirements.txt",
    "tool",
  ]);
  symlinkSync(join(dir.path, "secret"), join(pack, "package.json"));
  await expect(manifestFiles(pack, ["package.json"])).rejects.toThrow("it is a link to a place outside");
  await expect(asksForPackages(pack)).rejects.toThrow("package.json can't be read");
});

test("copies are whole and writable, and hold no links", async () => {
  using dir = tempDir("manifests");
  const pack = writePack(join(dir.path, "pack"), {
    "package.json": '{"dependencies":{"a":"file:vendor/a"}}',
    "vendor/a/package.json": "{}",
    "other.txt": "",
  });
  symlinkSync("/etc/passwd", join(pack, "vendor/a/link"));
  for (const path of ["package.json", "vendor/a/package.json"]) chmodSync(join(pack, path), 0o444);
  chmodSync(join(pack, "vendor/a"), 0o555);
  const to = join(dir.path, "to");
  mkdirSync(to);
  await copyManifests({ pack: { dir: pack }, manifests: ["package.json"], dir: to });
  expect([...new Bun.Glob("**").scanSync(to)].sort()).toEqual(["package.json", "vendor/a/package.json"]);
  expect(readFileSync(join(to, "package.json"), "utf8")).toContain("vendor/a");
  expect([statSync(join(to, "package.json")).mode & 0o777, statSync(join(to, "vendor/a")).mode & 0o200]).toEqual([0o644, 0o200]);
});

test.each([
  ['{"type":"module"}', false],
  ["null", false],
  ['{"devDependencies":{"a":"1"}}', false],
  ['{"dependencies":{"a":"1"}}', true],
  ['{"optionalDependencies":{"a":"1"}}', true],
])("whether %s asks for packages: %p", async (text, asks) => {
  using dir = tempDir("manifests");
  expect(await asksForPackages(writePack(dir.path, { "package.json": text }))).toBe(asks);
});
