import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import path from "node:path";
import { AttuneError, toError } from "../errors.ts";
import { exchange, tryLock } from "../libc.ts";

const O_CLOEXEC = 0o2000000;

/** Directories with a dot in front are no packs, and nobody watches them. */
const stagePrefix = ".attune-install-";

/** A private place beside the packs, on their file system, in which the next state of one is made. */
export interface Stage extends Disposable {
  readonly dir: string;
  /** Puts `from`, a directory of the stage, at `target`, where nothing is. */
  place(from: string, target: string): void;
  /**
   * The same where something is, which is removed with the stage. After a failure, and after a kill at any moment once the next
   * stage was opened, there is what was there before.
   */
  replace(from: string, target: string): void;
  /** Takes away what is at `target`. */
  remove(target: string): void;
}

/**
 * Makes `directory` if need be, keeps other installations out of it, removes what interrupted ones have left, and opens a stage.
 * `swap` exchanges two directories in one step where that is possible. Throws CONFLICT while another installation is at work, REFUSED when nothing can be written there.
 */
export function openStage(directory: string, swap = exchange): Stage {
  const unlock = lock(directory);
  try {
    for (const name of readdirSync(directory)) if (name.startsWith(stagePrefix)) clean(directory, path.join(directory, name));
    const dir = mkdtempSync(path.join(directory, stagePrefix));
    return {
      dir,
      place: (from, target) => renameSync(from, target),
      replace: (from, target) => replace(dir, from, target, swap),
      remove: (target) => renameSync(target, path.join(dir, "removed")),
      [Symbol.dispose]() {
        clean(directory, dir);
        unlock();
      },
    };
  } catch (thrown) {
    unlock();
    throw notWritable(directory, thrown);
  }
}

/** The kernel forgets the lock when the process ends, however it ends. */
function lock(directory: string): () => void {
  let fd: number;
  try {
    mkdirSync(directory, { recursive: true });
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | O_CLOEXEC);
  } catch (thrown) {
    throw notWritable(directory, thrown);
  }
  if (!tryLock(fd)) {
    closeSync(fd);
    throw new AttuneError("CONFLICT", `another installation is at work in ${directory}`, { hint: "try again when it is done" });
  }
  return () => closeSync(fd);
}

function replace(stage: string, from: string, target: string, swap: typeof exchange): void {
  if (swap(from, target)) return;
  // The file system can't exchange: for a moment there is neither. Whatever happens then, `clean` puts the old one back.
  const old = path.join(previousIn(stage), path.basename(target));
  mkdirSync(previousIn(stage));
  renameSync(target, old);
  renameSync(from, target);
}

function previousIn(stage: string): string {
  return path.join(stage, "previous");
}

/** Puts back what was taken away for something that never came, and removes the stage. */
function clean(directory: string, stage: string): void {
  const previous = previousIn(stage);
  for (const name of existsSync(previous) ? readdirSync(previous) : []) {
    if (!isThere(path.join(directory, name))) renameSync(path.join(previous, name), path.join(directory, name));
  }
  rmSync(stage, { recursive: true, force: true });
}

/** Also when it is a link that leads nowhere. */
function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

function notWritable(directory: string, thrown: unknown): AttuneError {
  return new AttuneError("REFUSED", `can't write to ${directory}: ${toError(thrown).message}`, {
    hint: "run this as the owner of the packs, or name another directory with --dir",
    cause: thrown,
  });
}
