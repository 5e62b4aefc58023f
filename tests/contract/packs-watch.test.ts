import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exchange } from "../../src/core/libc.ts";
import { silentLogger } from "../../src/core/log.ts";
import { watchPacks } from "../../src/core/packs/reload/watch.ts";
import { createScope } from "../../src/core/scope.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

/** Watches `<root>/<names>` and collects the names of the pack directories that were reported. */
async function watching(root: string, names: readonly string[]) {
  const scope = createScope("test", silentLogger);
  const reported: string[] = [];
  await watchPacks(scope, {
    directories: names.map((name) => join(root, name)),
    changed: (changes) => {
      for (const dir of changes.keys()) reported.push(dir.slice(root.length + 1));
    },
  });
  return {
    reported,
    seen: (name: string) => until(`${name} is reported`, () => reported.includes(name)),
    [Symbol.asyncDispose]: () => scope.end(),
  };
}

test("says which pack changed, whatever changed in it, and nothing of its neighbours", async () => {
  using dir = tempDir("watch");
  writePack(join(dir.path, "packs"), { "a/pack.yaml": "", "b/pack.yaml": "", "a/lib/deep/x.py": "" });
  await using watch = await watching(dir.path, ["packs"]);
  expect(watch.reported).toEqual([]);
  writeFileSync(join(dir.path, "packs/a/lib/deep/x.py"), "changed");
  await watch.seen("packs/a");
  writePack(join(dir.path, "packs"), { "c/pack.yaml": "" });
  await watch.seen("packs/c");
  rmSync(join(dir.path, "packs/c"), { recursive: true });
  watch.reported.length = 0;
  await watch.seen("packs/c");
  expect(watch.reported).not.toContain("packs/b");
});

test("several directories are watched, also one that appears later and one that was removed and came back", async () => {
  using dir = tempDir("watch");
  mkdirSync(join(dir.path, "one"));
  await using watch = await watching(dir.path, ["one", "two/inner"]);
  writePack(join(dir.path, "two/inner"), { "p/pack.yaml": "" });
  await watch.seen("two/inner/p");
  writePack(join(dir.path, "one"), { "p/pack.yaml": "" });
  await watch.seen("one/p");
  rmSync(join(dir.path, "one"), { recursive: true });
  await until("its end is reported", () => watch.reported.filter((name) => name === "one/p").length > 1);
  watch.reported.length = 0;
  writePack(join(dir.path, "one"), { "q/pack.yaml": "" });
  await watch.seen("one/q");
});

test("a pack that is a link is reported under its own name", async () => {
  using dir = tempDir("watch");
  writePack(join(dir.path, "elsewhere"), { "real/pack.yaml": "" });
  mkdirSync(join(dir.path, "packs"));
  symlinkSync(join(dir.path, "elsewhere/real"), join(dir.path, "packs/linked"));
  await using watch = await watching(dir.path, ["packs"]);
  let tries = 0;
  await until("a change behind the link is reported", () => {
    // The target is watched from a moment after the link was seen, so the first change may come too early.
    if (tries++ % 50 === 0) writeFileSync(join(dir.path, "elsewhere/real/pack.yaml"), `change ${tries}`);
    return watch.reported.includes("packs/linked");
  });
});

test("what no pack consists of is not reported, and nothing is after the end", async () => {
  using dir = tempDir("watch");
  writePack(join(dir.path, "packs"), { "a/pack.yaml": "", "b/pack.yaml": "" });
  const watch = await watching(dir.path, ["packs"]);
  writePack(join(dir.path, "packs"), {
    "a/__pycache__/x.pyc": "",
    "a/.pack.yaml.swp": "",
    "a/pack.yaml~": "",
    "a/node_modules/x/index.js": "",
  });
  writePack(join(dir.path, "packs"), { "b/pack.yaml": "changed" });
  await watch.seen("packs/b");
  expect(watch.reported).not.toContain("packs/a");
  await watch[Symbol.asyncDispose]();
  watch.reported.length = 0;
  writeFileSync(join(dir.path, "packs/b/pack.yaml"), "again");
  await Bun.sleep(300);
  expect(watch.reported).toEqual([]);
});

test("what lies in a directory with a dot in front is not reported, until it takes a pack's place and is watched in it", async () => {
  using dir = tempDir("watch");
  const packs = writePack(join(dir.path, "packs"), { "a/pack.yaml": "", "b/pack.yaml": "" });
  await using watch = await watching(dir.path, ["packs"]);
  writePack(packs, { ".stage/new/pack.yaml": "", ".stage/new/lib/x.py": "" });
  writeFileSync(join(packs, "b/pack.yaml"), "# the mark by which we know that all before was seen");
  await watch.seen("packs/b");
  expect(watch.reported).not.toContain("packs/.stage");
  for (let round = 0; round < 3; round++) {
    watch.reported.length = 0;
    expect(exchange(join(packs, ".stage/new"), join(packs, "a"))).toBe(true);
    await watch.seen("packs/a");
    await until("a later edit is reported", () => {
      watch.reported.length = 0;
      writePack(packs, { "a/lib/x.py": crypto.randomUUID() });
      return until("it", () => watch.reported.includes("packs/a"), { timeout: 1_000 });
    });
  }
});
