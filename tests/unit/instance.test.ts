import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { openInstance } from "../../src/core/instance.ts";
import { silentLogger } from "../../src/core/log.ts";
import { createScope } from "../../src/core/scope.ts";
import { tempDir } from "../support/packs.ts";
import { thrownBy } from "../support/thrown.ts";

const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);

test("makes a private data directory whose home and token are kept, and whose owner is new at each start", async () => {
  using dir = tempDir("instance");
  const dataDir = join(dir.path, "deep/er");
  const first = createScope("first", silentLogger);
  const one = openInstance(dataDir, first);
  expect(mode(dataDir)).toBe("700");
  expect(mode(join(dataDir, "token"))).toBe("600");
  expect(readFileSync(join(dataDir, ".gitignore"), "utf8")).toBe("*\n");
  expect(one.token).toMatch(/^att_[\w-]{43}$/);
  await first.end();

  const second = createScope("second", silentLogger);
  const two = openInstance(dataDir, second);
  expect({ home: two.home, token: two.token }).toEqual({ home: one.home, token: one.token });
  expect(two.owner).not.toBe(one.owner);
  await second.end();
  expect(readdirSync(dataDir).filter((name) => name.endsWith(".new"))).toEqual([]);
});

test("makes an existing directory private", async () => {
  using dir = tempDir("instance");
  const dataDir = join(dir.path, "data");
  mkdirSync(dataDir);
  chmodSync(dataDir, 0o777);
  await using scope = createScope("test", silentLogger);
  openInstance(dataDir, scope);
  expect(mode(dataDir)).toBe("700");
});

test("says where the daemon listens, only while it runs", async () => {
  using dir = tempDir("instance");
  const scope = createScope("test", silentLogger);
  openInstance(dir.path, scope).announce({ url: "http://127.0.0.1:1", version: "1.2.3" });
  const file = join(dir.path, "daemon.json");
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ url: "http://127.0.0.1:1", pid: process.pid, version: "1.2.3" });
  expect(mode(file)).toBe("600");
  await scope.end();
  expect(existsSync(file)).toBe(false);
});

test("a second daemon is refused while the first one holds the directory", async () => {
  using dir = tempDir("instance");
  const first = createScope("first", silentLogger);
  openInstance(dir.path, first);
  await using second = createScope("second", silentLogger);
  expect(thrownBy(() => openInstance(dir.path, second))).toMatchObject({ code: "DATA_DIR_LOCKED" });
  await first.end();
  openInstance(dir.path, second);
});

test("a directory that can't be made is one clear error", async () => {
  await using scope = createScope("test", silentLogger);
  expect(thrownBy(() => openInstance("/proc/attune", scope))).toMatchObject({
    code: "DATA_DIR_UNUSABLE",
    message: expect.stringContaining("/proc/attune"),
    hint: "make it writable, or set ATTUNE_DATA_DIR to another one",
  });
});
