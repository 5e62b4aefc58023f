import {
  chmodSync,
  closeSync,
  copyFileSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { toError } from "../../errors.ts";
import type { SnapshotFile } from "./entries.ts";

/**
 * Every kept file has this modification time, 2000-01-01, so that one which was written to afterwards, or whose data a power cut
 * took, shows by its time or size. Not 1970: zip archives can't say it.
 */
const SEALED_SECONDS = 946_684_800;
const OBJECT = /^[0-9a-f]{64}x?$/;
/** The file system has no hard links, or this file has as many as it may. */
const UNLINKABLE = new Set(["EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EXDEV"]);

export type Content = Pick<SnapshotFile, "hash" | "size" | "executable">;

/** One read-only copy of each content, shared by all snapshots through hard links. */
export interface Objects {
  has(content: Content): boolean;
  /** Opens a new copy whose content is yet to be written and named. */
  create(): Draft;
  /** Makes the content appear at `path`, where nothing may be. It must be there: see `has`. */
  place(content: Content, path: string): void;
  /** Removes what no snapshot holds. No copy may be in the making. */
  sweep(rest: () => Promise<void>): Promise<void>;
}

export interface Draft {
  write(bytes: Uint8Array): void;
  /** Names what was written. */
  keep(content: Content): void;
  /** Removes it, unless it was kept. To be called in any case. */
  end(): void;
}

/** Whether an untouched copy of the content is at `path`. */
export function isIntact(path: string, { size, executable }: Content): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return (
    stats?.isFile() === true &&
    stats.size === size &&
    stats.mtimeMs === SEALED_SECONDS * 1000 &&
    (stats.mode & 0o777) === modeOf(executable)
  );
}

export function openObjects(dir: string): Objects {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const pathOf = ({ hash, executable }: Content) => join(dir, executable ? `${hash}x` : hash);
  const has = (content: Content) => isIntact(pathOf(content), content);

  function create(): Draft {
    const path = join(dir, `new-${crypto.randomUUID()}`);
    const fd = openSync(path, "wx", 0o600);
    let kept = false;
    return {
      write(bytes) {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done);
      },
      keep(content) {
        fchmodSync(fd, modeOf(content.executable));
        futimesSync(fd, SEALED_SECONDS, SEALED_SECONDS);
        renameSync(path, pathOf(content));
        kept = true;
      },
      end() {
        closeSync(fd);
        if (!kept) rmSync(path, { force: true });
      },
    };
  }

  function place(content: Content, path: string): void {
    try {
      linkSync(pathOf(content), path);
    } catch (error) {
      if (!UNLINKABLE.has((toError(error) as NodeJS.ErrnoException).code ?? "")) throw error;
      copyFileSync(pathOf(content), path);
      chmodSync(path, modeOf(content.executable));
      utimesSync(path, SEALED_SECONDS, SEALED_SECONDS);
    }
  }

  async function sweep(rest: () => Promise<void>): Promise<void> {
    for (const name of await readdir(dir)) {
      const path = join(dir, name);
      if (!OBJECT.test(name) || lstatSync(path).nlink === 1) unlinkSync(path);
      await rest();
    }
  }

  return { has, create, place, sweep };
}

function modeOf(executable: boolean): number {
  return executable ? 0o555 : 0o444;
}
