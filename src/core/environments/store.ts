import { chmodSync, type Dirent, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { lstat, readdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { isPackRef } from "../paths.ts";
import { removeTree } from "../remove-tree.ts";

/** An environment that is whole. */
export interface Made {
  readonly dir: string;
  readonly hash: string;
  /** When it was complete, RFC 3339. */
  readonly made: string;
  readonly bytes: number;
}

/** Environments on disk: `<root>/<pack>/<runtime>-<version>/<hash>.<n>`. What has no marker was never finished. */
export interface EnvironmentStore {
  /** Of the same hash, the one made last. */
  find(group: string, hash: string): Made | null;
  /** All that are whole, the one made last first. */
  all(group: string): Made[];
  /** A new, empty directory of mode 0700. An environment is made where it stays, since a virtualenv can't be moved. */
  create(group: string, hash: string): string;
  /** Marks it as whole. */
  complete(dir: string): Promise<Made>;
  /** Counts it as never finished from now on; what runs in it can go on. */
  disown(dir: string): void;
  /** It is out of the way when this returns; the promise resolves when it is gone from the disk. */
  discard(dir: string): Promise<void>;
  /** Directories that were never finished, or that were to be removed. */
  unfinished(): string[];
  /** Every directory of an environment, whole or not; those of one pack when it is named. */
  directories(pack?: string): string[];
}

const marker = ".attune-environment.json";
const doomed = ".removing-";

/** One process at a time may use `root`. */
export function openEnvironmentStore(root: string): EnvironmentStore {
  mkdirSync(root, { recursive: true, mode: 0o700 });

  const list = (dir: string): Dirent[] => {
    try {
      return readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    } catch {
      return []; // Nothing was made there yet.
    }
  };
  const below = (dir: string) => list(dir).map((entry) => path.join(dir, entry.name));
  const all = (group: string) =>
    below(path.join(root, group))
      .flatMap((dir) => read(dir) ?? [])
      .sort((a, b) => (a.made < b.made ? 1 : a.made > b.made ? -1 : numberOf(b.dir) - numberOf(a.dir)));

  const directories = (pack?: string) => {
    const names = list(root).map((entry) => entry.name);
    // Whoever asks may have been told any text: only what is listed here is a pack's.
    if (pack !== undefined) return isPackRef(pack) && names.includes(pack) ? below(path.join(root, pack)).flatMap(below) : [];
    const left = names.filter((name) => name.startsWith(doomed)).map((name) => path.join(root, name));
    const packs = names.filter((name) => !name.startsWith("."));
    return [...packs.flatMap((name) => below(path.join(root, name)).flatMap(below)), ...left];
  };

  return {
    all,
    directories,
    unfinished: () => directories().filter((dir) => read(dir) === null),
    find: (group, hash) => all(group).find((one) => one.hash === hash) ?? null,
    create(group, hash) {
      const parent = path.join(root, group);
      mkdirSync(parent, { recursive: true, mode: 0o700 });
      const last = Math.max(0, ...list(parent).map((entry) => (entry.name.startsWith(`${hash}.`) ? numberOf(entry.name) : 0)));
      const dir = path.join(parent, `${hash}.${last + 1}`);
      mkdirSync(dir, { mode: 0o700 });
      return dir;
    },
    async complete(dir) {
      const made = { made: new Date().toISOString(), bytes: await sizeOf(dir) };
      const staged = path.join(dir, `${marker}.new`);
      await writeFile(staged, JSON.stringify(made), { mode: 0o600 });
      await rename(staged, path.join(dir, marker));
      return { dir, hash: hashOf(dir), ...made };
    },
    disown: (dir) => rmSync(path.join(dir, marker), { force: true }),
    async discard(dir) {
      // Under its name it would pass for whole while it is being removed.
      const away = path.join(root, `${doomed}${crypto.randomUUID()}`);
      // Only a directory that may be written to gets another parent.
      chmodSync(dir, 0o700);
      renameSync(dir, away);
      await removeTree(away);
    },
  };
}

/** Where the environments of a pack for one version of a runtime lie, below the root. */
export function groupOf(pack: string, runtime: string, version: string | undefined): string {
  const name = version === undefined ? runtime : `${runtime}-${version}`;
  return path.join(pack, name.replace(/[^A-Za-z0-9._+-]/g, "_").replace(/^\.+/, "_"));
}

function read(dir: string): Made | null {
  try {
    const { made, bytes } = JSON.parse(readFileSync(path.join(dir, marker), "utf8"));
    return { dir, hash: hashOf(dir), made: String(made), bytes: Number(bytes) };
  } catch {
    return null; // Not whole.
  }
}

function hashOf(dir: string): string {
  const name = path.basename(dir);
  return name.slice(0, name.lastIndexOf("."));
}

function numberOf(dir: string): number {
  return Number(dir.slice(dir.lastIndexOf(".") + 1)) || 0;
}

/** Bytes of all files below. */
async function sizeOf(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const inner = path.join(dir, entry.name);
    bytes += entry.isDirectory() ? await sizeOf(inner) : (await lstat(inner)).size;
  }
  return bytes;
}
