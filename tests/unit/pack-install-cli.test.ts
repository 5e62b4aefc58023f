import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tarGzipOf } from "../support/archives.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { terminal } from "../support/terminal.ts";

async function install(cwd: string, columns?: number, ...args: string[]) {
  const shown = terminal({ cwd, ...(columns !== undefined && { columns }) });
  return await shown.run(["pack", "install", "mine.tgz", "--dir", "packs", ...args]);
}

test("progress is one line that is gone at the end on a terminal, lines otherwise, and nothing beside JSON", async () => {
  using dir = tempDir("install-cli");
  writeFileSync(join(dir.path, "mine.tgz"), await tarGzipOf([{ name: "pack.yaml", text: "ref: mine\nversion: 1.0.0\n" }]));

  const onTerminal = await install(dir.path, 60);
  expect(onTerminal).toMatchObject({ code: 0, out: "installed mine 1.0.0 in packs/mine (1 file)\n" });
  const changes = onTerminal.err.split("\r\u001b[K");
  expect(changes).toEqual(["", "unpacking: 1 files, 25 B", "checking mine", ""]);

  expect((await install(dir.path, undefined, "--force")).err).toBe("checking mine\n");
  const structured = await install(dir.path, undefined, "--force", "-o", "json");
  expect(structured.err).toBe("");
  expect(JSON.parse(structured.out)).toMatchObject({ pack: "mine", previous: "1.0.0", daemon: null });
});

test("names in an archive can't act on the terminal", async () => {
  using dir = tempDir("install-cli");
  const name = "actions/\u001b]0;title\u0007.yaml";
  writeFileSync(join(dir.path, "mine.tgz"), await tarGzipOf([{ name: "x", text: "x", pax: { path: name } }]));
  const refused = await install(dir.path, 60);
  expect(refused.code).toBe(4);
  expect(refused.err.replaceAll("\r\u001b[K", "")).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  expect(readdirSync(join(dir.path, "packs"))).toEqual([]);
});

test.each([
  [["install", "mine@not-a-range"], 2],
  [["install", "mine"], 2],
  [["install", "./missing"], 3],
  [["install", "./missing", "--ref", "main"], 2],
  [["install", "./mine.tgz", "--sha256", "abc"], 2],
  [["install", "./mine", "--sha256", "a".repeat(64)], 2],
  [["install", "./mine", "--url", "http://192.0.2.1:8080", "--token", "x"], 2],
  [["update", "--ref", "main"], 2],
  [["update", "mine"], 3],
  [["uninstall", "mine"], 3],
  [["index", "list"], 2],
  [["index", "list", "--index", "missing.json"], 3],
] as const)("%j ends with %d and says what to do", async (args, code) => {
  using dir = tempDir("install-cli");
  writePack(join(dir.path, "mine"), { "pack.yaml": "ref: mine\nversion: 1.0.0\n" });
  const shown = terminal({ cwd: dir.path });
  const result = await shown.run(["pack", ...args]);
  expect([result.code, result.out]).toEqual([code, ""]);
  expect(result.err).toStartWith("error: ");
});
