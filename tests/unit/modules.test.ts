import { expect, test } from "bun:test";
import { chmodSync, chownSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadModule, provideSdk } from "../../src/core/modules.ts";
import { tempDir, writePack } from "../support/packs.ts";

const load = (dir: string, file = "attune.config.ts") => loadModule(join(dir, file), join(dir, "cache"), "CONFIG_INVALID");

test("TypeScript with a helper beside it loads, and an edit of either is seen", async () => {
  using dir = tempDir("modules");
  writePack(dir.path, {
    "attune.config.ts": 'import { name } from "./helper.ts";\nexport default { name, kind: 1 satisfies number };\n',
    "helper.ts": 'export const name: string = "first";\n',
  });
  expect(await load(dir.path)).toEqual({ name: "first", kind: 1 });
  writeFileSync(join(dir.path, "helper.ts"), 'export const name: string = "second";\n');
  expect(await load(dir.path)).toEqual({ name: "second", kind: 1 });
  writeFileSync(join(dir.path, "attune.config.ts"), "export default 3;\n");
  expect(await load(dir.path)).toBe(3);
});

test('import from "attune" gives the daemon\'s own objects', async () => {
  using dir = tempDir("modules");
  const own = { defineConfig: (value: unknown) => value };
  provideSdk(own, async () => ({ contract: own.defineConfig }));
  writePack(dir.path, { "attune.config.ts": 'import { defineConfig } from "attune";\nexport default defineConfig;\n' });
  expect(await load(dir.path)).toBe(own.defineConfig);
  writePack(dir.path, { "attune.config.ts": 'export { contract as default } from "attune/testing";\n' });
  expect(await load(dir.path)).toBe(own.defineConfig);
});

test("a syntax error names file, line and column, also in a helper", async () => {
  using dir = tempDir("modules");
  writePack(dir.path, { "attune.config.ts": "const a = 1;\nexport default { a: = 2 };\n" });
  await expect(load(dir.path)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    at: { file: join(dir.path, "attune.config.ts"), line: 2, column: 21 },
  });
  // In a directory of its own: one that changed within the same tick of the clock looks unchanged to the bundler.
  using other = tempDir("modules");
  writePack(other.path, {
    "attune.config.ts": 'export { default } from "./helper.ts";\n',
    "helper.ts": "\n\nexport default ]\n",
  });
  await expect(load(other.path)).rejects.toMatchObject({ at: { file: join(other.path, "helper.ts"), line: 3 } });
});

test("an import that leads nowhere says what to do", async () => {
  using dir = tempDir("modules");
  writePack(dir.path, { "attune.config.ts": 'import x from "no-such-package";\nexport default x;\n' });
  await expect(load(dir.path)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("no-such-package"),
    hint: "install it beside the file, or write the path with ./",
    at: { line: 1 },
  });
});

test("a module that throws while loading is reported, and its corrected version loads", async () => {
  using dir = tempDir("modules");
  writePack(dir.path, {
    "attune.config.ts": 'import "./helper.ts";\nexport default "loaded";\n',
    "helper.ts": 'throw new Error("not today");\n',
  });
  await expect(load(dir.path)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("failed while loading: not today"),
  });
  writeFileSync(join(dir.path, "helper.ts"), "export {};\n");
  expect(await load(dir.path)).toBe("loaded");
});

test("a file without default export is refused", async () => {
  using dir = tempDir("modules");
  writePack(dir.path, { "attune.config.ts": "export const config = {};\n" });
  await expect(load(dir.path)).rejects.toMatchObject({ code: "CONFIG_INVALID", message: "the file has no default export" });
});

test.skipIf(process.getuid?.() !== 0)(
  "as root, a file that others own or may write is refused; a link of root's is not",
  async () => {
    using dir = tempDir("modules");
    writePack(dir.path, { "attune.config.ts": "export default 1;\n" });
    const file = join(dir.path, "attune.config.ts");
    symlinkSync(file, join(dir.path, "link.ts"));
    expect(await load(dir.path, "link.ts")).toBe(1);

    chmodSync(file, 0o666);
    await expect(load(dir.path)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      hint: `chown root ${file} && chmod go-w ${file}`,
    });
    await expect(load(dir.path, "link.ts")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    chmodSync(file, 0o644);
    chownSync(file, 65_534, 65_534);
    await expect(load(dir.path)).rejects.toMatchObject({ code: "CONFIG_INVALID" });

    chownSync(file, 0, 0);
    chmodSync(dir.path, 0o777);
    await expect(load(dir.path)).rejects.toMatchObject({ hint: `chown root ${dir.path} && chmod go-w ${dir.path}` });
    chmodSync(dir.path, 0o1777);
    expect(await load(dir.path)).toBe(1);
  },
);

test("an error names the original file, also from another working directory and out of a helper", async () => {
  using dir = tempDir("modules");
  writePack(dir.path, {
    "attune.config.ts": 'import { fail } from "./lib/helper.ts";\n\nexport default fail();\n',
    "lib/helper.ts": 'export function fail(): never {\n  const reason: string = "not today";\n  throw new Error(reason);\n}\n',
  });
  await expect(load(dir.path)).rejects.toMatchObject({
    message: "attune.config.ts failed while loading: not today",
    at: { file: join(dir.path, "lib/helper.ts"), line: 3 },
  });
});
