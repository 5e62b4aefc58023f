import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AttuneError } from "../../src/core/errors.ts";
import { lockDataDir } from "../../src/core/lock.ts";

const lockModule = join(import.meta.dir, "../../src/core/lock.ts");
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "attune-test-lock-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function attempt(): AttuneError | { release(): void } {
  try {
    return lockDataDir(dir);
  } catch (thrown) {
    if (thrown instanceof AttuneError) return thrown;
    throw thrown;
  }
}

test("a directory is locked once, and again after the release", () => {
  const lock = lockDataDir(dir);
  expect(readFileSync(join(dir, "lock"), "utf8")).toBe(`${process.pid}\n`);
  expect(attempt()).toMatchObject({ code: "DATA_DIR_LOCKED", message: expect.stringContaining(`pid ${process.pid}`) });
  lock.release();
  lock.release();
  lockDataDir(dir).release();
});

test("another process's lock is named by its pid and ends with a kill -9, though its child lives on", async () => {
  const script = `
    const { lockDataDir } = await import(${JSON.stringify(lockModule)});
    lockDataDir(${JSON.stringify(dir)});
    const child = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore"] });
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const holder = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const child = Number(new TextDecoder().decode((await holder.stdout.getReader().read()).value));
  try {
    expect(attempt()).toMatchObject({ code: "DATA_DIR_LOCKED", message: expect.stringContaining(`pid ${holder.pid}`) });
    holder.kill("SIGKILL");
    await holder.exited;
    expect(() => process.kill(child, 0)).not.toThrow();
    lockDataDir(dir).release();
  } finally {
    holder.kill("SIGKILL");
    process.kill(child, "SIGKILL");
  }
});

test("a directory that is not there, or may not be written, is named", () => {
  expect(() => lockDataDir(join(dir, "absent"))).toThrow(expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }));
  if (process.geteuid?.() === 0) return;
  chmodSync(dir, 0o500);
  expect(() => lockDataDir(dir)).toThrow(expect.objectContaining({ code: "DATA_DIR_UNUSABLE" }));
});
