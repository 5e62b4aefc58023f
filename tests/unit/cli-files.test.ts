import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { terminal } from "../support/terminal.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "attune-cli-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const attune = (...argv: string[]) => terminal({ cwd: dir }).run(argv);
const read = (file: string) => readFileSync(path.join(dir, file), "utf8");

describe("init", () => {
  test("makes a project whose pack is valid, and never overwrites", async () => {
    const first = await attune("init");
    expect(first.code).toBe(0);
    expect(first.out).toContain("made packs/hello/pack.yaml\n");
    expect(first.out).toEndWith("\nNext: attune daemon\n");
    expect(statSync(path.join(dir, "packs/hello/actions/greet.sh")).mode & 0o777).toBe(0o755);
    expect(await attune("pack", "validate", "packs/hello", "--strict")).toEqual({
      code: 0,
      out: "packs/hello is valid\n",
      err: "",
    });

    writeFileSync(path.join(dir, "attune.config.ts"), "mine");
    rmSync(path.join(dir, "packs/hello/rules"), { recursive: true });
    const again = JSON.parse((await attune("init", "-j")).out);
    expect(again.made).toEqual(["packs/hello/rules/tick.yaml"]);
    expect(again.kept).toContain("attune.config.ts");
    expect(read("attune.config.ts")).toBe("mine");
  });

  test("names the directory it was given", async () => {
    expect((await attune("init", "other/place")).out).toEndWith("\nNext: cd other/place && attune daemon\n");
  });
});

describe("pack validate", () => {
  test("shows each mistake with its place", async () => {
    mkdirSync(path.join(dir, "bad/actions"), { recursive: true });
    writeFileSync(path.join(dir, "bad/pack.yaml"), "ref: bad\nlabel: Bad\nversion: 1.0.0\n");
    writeFileSync(path.join(dir, "bad/actions/a.yaml"), "ref: bad.a\nrunner_type: shel\nentry_point: a.sh\nlabl: x\n");
    const { code, out } = await attune("pack", "validate", "bad");
    expect(code).toBe(1);
    expect(out).toMatch(/^actions\/a\.yaml:2:\d+: error: .*shel/m);
    expect(out).toMatch(/^actions\/a\.yaml:4:\d+: warning: .*labl/m);
    const json = JSON.parse((await attune("pack", "validate", "bad", "-o", "json")).out);
    expect(json).toContainEqual(expect.objectContaining({ severity: "error", file: "actions/a.yaml", line: 2 }));
    expect((await attune("pack", "validate", "nowhere")).code).toBe(3);
  });

  test("fails on warnings only when asked to", async () => {
    mkdirSync(path.join(dir, "odd"), { recursive: true });
    writeFileSync(path.join(dir, "odd/pack.yaml"), "ref: odd\nlabel: Odd\nversion: 1.0.0\ncolour: red\n");
    expect((await attune("pack", "validate", "odd")).code).toBe(0);
    expect((await attune("pack", "validate", "odd", "--strict")).code).toBe(1);
  });
});

test("pack eject copies the core pack with its modes and never overwrites", async () => {
  expect((await attune("pack", "eject", "core")).code).toBe(0);
  const files = readdirSync(path.join(dir, "packs/core"), { recursive: true }).map(String);
  expect(files).toContainValues(["pack.yaml", "actions/echo.yaml", "actions/echo.sh"]);
  writeFileSync(path.join(dir, "packs/core/pack.yaml"), "mine");
  expect(await attune("pack", "eject", "core")).toMatchObject({ code: 1, out: "" });
  expect(read("packs/core/pack.yaml")).toBe("mine");
  expect((await attune("pack", "eject", "core", "--to", "copy")).code).toBe(0);
  expect((await attune("pack", "eject", "hello")).code).toBe(3);
});
