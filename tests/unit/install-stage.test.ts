import { describe, expect, test } from "bun:test";
import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openStage } from "../../src/core/install/stage.ts";
import { exchange } from "../../src/core/libc.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { thrownBy } from "../support/thrown.ts";

const version = (dir: string) => readFileSync(join(dir, "mine/version"), "utf8");
const put = (dir: string, text: string) => writePack(join(dir, "mine"), { version: text });

describe.each([
  ["where two directories can be exchanged in one step", exchange],
  ["where they can't", () => false],
])("%s", (_, swap) => {
  test("a pack is put in place, also over another, and nothing else is left", () => {
    using dir = tempDir("stage");
    for (const [how, text] of [
      ["place", "1"],
      ["replace", "2"],
      ["replace", "3"],
    ] as const) {
      using stage = openStage(dir.path, swap);
      stage[how](writePack(join(stage.dir, "new"), { version: text }), join(dir.path, "mine"));
      expect(version(dir.path)).toBe(text);
    }
    expect(readdirSync(dir.path)).toEqual(["mine"]);
  });

  test("what fails to come leaves what was there", () => {
    using dir = tempDir("stage");
    put(dir.path, "1");
    {
      using stage = openStage(dir.path, swap);
      expect(() => stage.replace(join(stage.dir, "missing"), join(dir.path, "mine"))).toThrow("ENOENT");
    }
    expect(version(dir.path)).toBe("1");
    expect(readdirSync(dir.path)).toEqual(["mine"]);
  });

  test("a link in its place is replaced, and what it leads to stays", () => {
    using dir = tempDir("stage");
    using elsewhere = tempDir("stage");
    put(elsewhere.path, "theirs");
    symlinkSync(join(elsewhere.path, "mine"), join(dir.path, "mine"));
    {
      using stage = openStage(dir.path, swap);
      stage.replace(writePack(join(stage.dir, "new"), { version: "2" }), join(dir.path, "mine"));
    }
    expect([version(dir.path), version(elsewhere.path)]).toEqual(["2", "theirs"]);
    expect(lstatSync(join(dir.path, "mine")).isSymbolicLink()).toBe(false);
  });
});

describe("what a killed installation has left", () => {
  test("is removed by the next one, but what only looks alike stays", () => {
    using dir = tempDir("stage");
    writePack(dir.path, { ".attune-install-aaaaaa/new/pack.yaml": "half", ".other/file": "", "mine/version": "1" });
    {
      using _ = openStage(dir.path);
    }
    expect(readdirSync(dir.path).sort()).toEqual([".other", "mine"]);
  });

  test("is put back when it was on its way to be replaced", () => {
    using dir = tempDir("stage");
    writePack(dir.path, { ".attune-install-aaaaaa/previous/mine/version": "1" });
    {
      using _ = openStage(dir.path);
      expect(version(dir.path)).toBe("1");
    }
    expect(readdirSync(dir.path)).toEqual(["mine"]);
  });

  test("is not put back over what came after it", () => {
    using dir = tempDir("stage");
    writePack(dir.path, { ".attune-install-aaaaaa/previous/mine/version": "1", "mine/version": "2" });
    {
      using _ = openStage(dir.path);
    }
    expect(version(dir.path)).toBe("2");
  });

  test("is not put back when it was on its way out", () => {
    using dir = tempDir("stage");
    put(dir.path, "1");
    const stage = openStage(dir.path);
    stage.remove(join(dir.path, "mine"));
    // The lock goes with the process; here it is let go by hand.
    expect(readdirSync(dir.path)).toEqual([stage.dir.slice(dir.path.length + 1)]);
    stage[Symbol.dispose]();
    expect(readdirSync(dir.path)).toEqual([]);
  });
});

test("what came to lie in a pack's place meanwhile is left alone", () => {
  using dir = tempDir("stage");
  {
    using stage = openStage(dir.path);
    put(dir.path, "theirs");
    expect(() => stage.place(writePack(join(stage.dir, "new"), { version: "1" }), join(dir.path, "mine"))).toThrow("ENOTEMPTY");
  }
  expect(version(dir.path)).toBe("theirs");
});

test("two installations do not work in one directory at a time", () => {
  using dir = tempDir("stage");
  {
    using _ = openStage(dir.path);
    expect(thrownBy(() => openStage(dir.path))).toMatchObject({ code: "CONFLICT" });
  }
  openStage(dir.path)[Symbol.dispose]();
});

test("a place that can't be written to is named", () => {
  using dir = tempDir("stage");
  writeFileSync(join(dir.path, "file"), "");
  expect(thrownBy(() => openStage(join(dir.path, "file")))).toMatchObject({
    code: "REFUSED",
    hint: expect.stringContaining("--dir"),
  });
});
