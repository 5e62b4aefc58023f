import { afterAll, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packFiles } from "../../src/core/packs/versions/pack-files.ts";
import { diffVersions } from "../../src/core/packs/versions/version-diff.ts";
import { writeBack } from "../../src/core/packs/versions/write-back.ts";
import { tempDir, writePack } from "../support/packs.ts";

const temp = tempDir("write-back");
afterAll(() => temp[Symbol.dispose]());
let count = 0;
const pack = (files: Record<string, string>) => writePack(join(temp.path, String(count++)), files);

test("a file gives way to a directory, and a directory to a file", async () => {
  const [one, other] = [pack({ lib: "a file", "bin/x/y": "deep" }), pack({ "lib/a/b": "deep", bin: "a file" })];
  const now = pack({ lib: "a file", "bin/x/y": "deep" });
  await writeBack(other, now);
  expect(await packFiles(now)).toEqual(await packFiles(other));
  await writeBack(one, now);
  expect(await packFiles(now)).toEqual(await packFiles(one));
});

test("a link out of the pack is replaced and never written through", async () => {
  const outside = pack({ "keep.txt": "theirs" });
  const version = pack({ "lib/new.txt": "new", "lib/keep.txt": "ours" });
  const now = pack({ "pack.yaml": "" });
  symlinkSync(outside, join(now, "lib"));
  symlinkSync(join(outside, "keep.txt"), join(now, "a"));
  await writeBack(version, now);
  expect(readdirSync(outside)).toEqual(["keep.txt"]);
  expect(readFileSync(join(outside, "keep.txt"), "utf8")).toBe("theirs");
  expect(lstatSync(join(now, "lib")).isDirectory()).toBe(true);
  expect(existsSync(join(now, "a"))).toBe(false);
});

test("a version that vanishes while it is read empties nothing", async () => {
  const version = pack({ "a.txt": "a" });
  const now = pack({ "b.txt": "b" });
  rmSync(version, { recursive: true });
  await expect(writeBack(version, now)).rejects.toMatchObject({ code: "REFUSED" });
  expect(readdirSync(now)).toEqual(["b.txt"]);
});

test("large packs leave the event loop its turns", async () => {
  const [before, after] = [join(temp.path, "before"), join(temp.path, "after")];
  for (const dir of [before, after]) {
    mkdirSync(dir);
    for (let i = 0; i < 600; i++) writeFileSync(join(dir, `${i}.txt`), `${dir} ${i}\n`.repeat(50));
    for (let i = 0; i < 4; i++) {
      writeFileSync(join(dir, `unlike${i}.txt`), Array.from({ length: 10_000 }, (_, n) => Bun.hash(`${dir}${i}${n}`)).join("\n"));
    }
  }
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const diffs = await diffVersions(before, after);
  const compared = turns;
  await writeBack(after, before);
  clearInterval(timer);
  expect(diffs.filter(({ patch }) => patch !== null)).toHaveLength(600);
  expect(compared).toBeGreaterThan(10);
  expect(turns - compared).toBeGreaterThan(10);
});
