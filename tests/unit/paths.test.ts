import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { isComponentRef, isPackRef, qualify, resolveInside, resolveInsideSync } from "../../src/core/paths.ts";
import { tempDir } from "../support/packs.ts";

const temp = tempDir("paths");
afterAll(() => temp[Symbol.dispose]());

const root = `${realpathSync(temp.path)}/root`;
mkdirSync(`${root}/actions/deep`, { recursive: true });
mkdirSync(`${root}-neighbour`);
writeFileSync(`${root}/actions/a.sh`, "");
writeFileSync(`${root}-neighbour/secret`, "");
symlinkSync("a.sh", `${root}/actions/inside`);
symlinkSync("../../root-neighbour/secret", `${root}/actions/outside`);
symlinkSync("/etc", `${root}/etc`);
symlinkSync("loop", `${root}/loop`);
symlinkSync("nowhere", `${root}/dangling`);
symlinkSync("root", `${temp.path}/alias`);

describe("resolveInside", () => {
  const allowed: [string, string][] = [
    ["actions/a.sh", "actions/a.sh"],
    ["./actions//a.sh", "actions/a.sh"],
    ["actions/inside", "actions/a.sh"],
    ["actions/deep", "actions/deep"],
  ];
  test.each(allowed)("%s is inside", async (relative, target) => {
    expect(await resolveInside(root, relative)).toBe(`${root}/${target}`);
    expect(resolveInsideSync(root, relative)).toBe(`${root}/${target}`);
  });

  const refused: [string, string, string][] = [
    ["/etc/passwd", "PATH_OUTSIDE", "absolute"],
    ["../root-neighbour/secret", "PATH_OUTSIDE", ".."],
    ["actions/../actions/a.sh", "PATH_OUTSIDE", ".."],
    ["actions\\..\\..\\x", "PATH_OUTSIDE", ".."],
    ["actions/a.sh\0.txt", "PATH_OUTSIDE", "NUL"],
    ["actions/outside", "PATH_OUTSIDE", "link"],
    ["etc/passwd", "PATH_OUTSIDE", "link"],
    ["loop", "PATH_OUTSIDE", "resolved"],
    ["a".repeat(5000), "PATH_OUTSIDE", "resolved"],
    ["missing", "NOT_FOUND", "missing"],
    ["dangling", "NOT_FOUND", "dangling"],
    ["actions/a.sh/x", "NOT_FOUND", "a.sh/x"],
  ];
  test.each(refused)("%s is refused", async (relative, code, word) => {
    const matcher = expect.objectContaining({ code, message: expect.stringContaining(word) });
    await expect(resolveInside(root, relative)).rejects.toEqual(matcher);
    expect(() => resolveInsideSync(root, relative)).toThrow(matcher as unknown as Error);
  });

  test("the root may itself be a link", async () => {
    expect(await resolveInside(`${temp.path}/alias`, "actions/a.sh")).toBe(`${root}/actions/a.sh`);
    expect(() => resolveInsideSync(`${temp.path}/alias`, "actions/outside")).toThrow("link");
  });
});

describe("refs", () => {
  test("of packs", () => {
    for (const ref of ["core", "my_pack", "a-1"]) expect(isPackRef(ref)).toBe(true);
    for (const ref of ["", "Core", "1a", "a.b", "a/b", "_a", "a b", "a\n", "a".repeat(65)]) expect(isPackRef(ref)).toBe(false);
  });

  test("of components have exactly two parts", () => {
    for (const ref of ["core.echo", "p.Name", "p.9", "p.a-b_c"]) expect(isComponentRef(ref)).toBe(true);
    for (const ref of ["core", "core.", ".echo", "a.b.c", "P.a", "p.a/b", "p..", "p.-a", "p.a b", "p.a\n"]) {
      expect(isComponentRef(ref)).toBe(false);
    }
  });

  test("without a dot belong to the pack they stand in", () => {
    expect(qualify("echo", "core")).toBe("core.echo");
    expect(qualify("core.echo", "mine")).toBe("core.echo");
  });
});
