import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { AttuneError, toError } from "./errors.ts";
import { tryLock } from "./libc.ts";

const O_CLOEXEC = 0o2000000;

/**
 * Makes this process the only daemon of a data directory, until `release` or its death, however it dies: the kernel holds
 * the lock. Children don't inherit it. Throws DATA_DIR_LOCKED naming the holder's pid, DATA_DIR_UNUSABLE when the file
 * `lock` can't be made.
 */
export function lockDataDir(dir: string): { release(): void } {
  const file = join(dir, "lock");
  const fd = openLockFile(file);
  if (!tryLock(fd)) {
    closeSync(fd);
    throw new AttuneError("DATA_DIR_LOCKED", `${dir} is in use by ${holderOf(file)}`, {
      hint: "stop that daemon, or set ATTUNE_DATA_DIR to another directory",
    });
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`, 0);
  let held = true;
  return {
    release() {
      // The file stays: removing it would let one process lock the old file and another a new one.
      if (held) closeSync(fd);
      held = false;
    },
  };
}

function openLockFile(file: string): number {
  try {
    return openSync(file, constants.O_RDWR | constants.O_CREAT | O_CLOEXEC, 0o600);
  } catch (thrown) {
    throw new AttuneError("DATA_DIR_UNUSABLE", `can't write to the data directory: ${toError(thrown).message}`, {
      hint: "make it writable, or set ATTUNE_DATA_DIR to another directory",
      cause: thrown,
    });
  }
}

function holderOf(file: string): string {
  const pid = readFileSync(file, "utf8").trim();
  // Taken a moment ago, its pid not written yet.
  return pid === "" ? "another daemon" : `the daemon with pid ${pid}`;
}
