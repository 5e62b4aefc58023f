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
    writeFileSync(path.join(dir, "bad/actions/a.yaml"), "ref: bad.a\nrunner_type: shel\nentry_point: b.sh\nlabl: x\n");
    writeFileSync(path.join(dir, "bad/actions/a.sh"), "");
    const { code, out } = await attune("pack", "validate", "bad");
    expect(code).toBe(1);
    expect(out).toBe(
      [
        'bad/actions/a.yaml:2:14: warning: there is no runtime "shel"',
        "    1 | ref: bad.a",
        "  > 2 | runner_type: shel",
        "      |              ^",
        "    3 | entry_point: b.sh",
        "  hint: did you mean shell?",
        "bad/actions/a.yaml:3:14: error: `entry_point` names no file: there is no actions/b.sh",
        "    2 | runner_type: shel",
        "  > 3 | entry_point: b.sh",
        "      |              ^",
        "    4 | labl: x",
        "  hint: did you mean a.sh?",
        "bad/actions/a.yaml:4:1: warning: unknown key `labl` is ignored",
        "    3 | entry_point: b.sh",
        "  > 4 | labl: x",
        "      | ^",
        "  hint: did you mean `label`?",
        "1 error, 2 warnings",
        "",
      ].join("\n"),
    );
    const json = JSON.parse((await attune("pack", "validate", "bad", "-o", "json")).out);
    const placed = { pack: "bad", path: "bad/actions/a.yaml", file: "actions/a.yaml", line: 2, column: 14 };
    expect(json).toContainEqual(expect.objectContaining({ severity: "warning", ...placed, hint: "did you mean shell?" }));
    expect((await attune("pack", "validate", "nowhere")).code).toBe(3);
  });

  test("takes several packs, and directories of packs", async () => {
    for (const [name, yaml] of [
      ["many/one", "ref: one\nversion: 1.0.0\n"],
      ["many/two", "ref: two\nversion: 1\n"],
      ["three", "ref: three\nversion: 1.0.0\n"],
    ] as const) {
      mkdirSync(path.join(dir, name), { recursive: true });
      writeFileSync(path.join(dir, name, "pack.yaml"), yaml);
    }
    mkdirSync(path.join(dir, "many/no_pack"));
    const { code, out } = await attune("pack", "validate", "many/", "three", "./many/one");
    expect(code).toBe(1);
    expect(out).toStartWith("many/one is valid\nmany/two/pack.yaml:2:10: error: ");
    expect(out).toEndWith("\nthree is valid\n1 error, 0 warnings\n");
    expect(await attune("pack", "validate", "many/one", "three")).toEqual({
      code: 0,
      out: "many/one is valid\nthree is valid\n",
      err: "",
    });
    expect((await attune("pack", "validate", path.join(dir, "three"))).out).toBe(`${path.join(dir, "three")} is valid\n`);
    // Neither a pack nor a directory of packs: what is missing is said.
    expect((await attune("pack", "validate", "many/no_pack")).out).toContain(
      "many/no_pack/pack.yaml: error: pack.yaml is missing",
    );
  });

  test("judges what rules give to the triggers and actions of the core pack", async () => {
    mkdirSync(path.join(dir, "timed/rules"), { recursive: true });
    writeFileSync(path.join(dir, "timed/pack.yaml"), "ref: timed\nversion: 1.0.0\n");
    const rule = "ref: t\ntrigger_ref: core.crontimer\ntrigger_params:\n  expression: 99 * * * *\naction_ref: core.echo\n";
    writeFileSync(path.join(dir, "timed/rules/t.yaml"), rule);
    const { code, out } = await attune("pack", "validate", "timed");
    expect(code).toBe(1);
    expect(out).toStartWith(
      "timed/rules/t.yaml:4:15: error: trigger_params: expression: must be a cron expression of five fields",
    );
    expect(out).toContain("invalid value for minute: 99");
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
