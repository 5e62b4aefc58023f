import { createHash } from "node:crypto";
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whom the server runs as. null: as whoever runs the daemon. */
export type Account = { readonly name: string; readonly uid: number; readonly gid: number } | null;

/** Where the server's files and socket are, and whom they belong to. */
export interface Home {
  readonly dir: string;
  readonly data: string;
  readonly account: Account;
  /** 12 hex digits that stand for the data directory. */
  readonly id: string;
}

const preferredAccounts = ["attune", "postgres", "nobody"];
/** The longest path a Unix socket can have. */
const maxSocketPath = 107;
export const serverPort = 5432;

/**
 * Finds or makes the directory of the server's files: under the data directory, or as root, as whom PostgreSQL refuses to
 * run, under `/var/lib/attune`, since the data directory may lie where only root can enter.
 */
export function makeHome(dataDir: string): Home {
  const id = createHash("sha256").update(realpathSync(dataDir)).digest("hex").slice(0, 12);
  if (process.geteuid?.() !== 0) {
    const dir = join(dataDir, "postgres");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return { dir, data: join(dir, "data"), account: null, id };
  }
  const dir = rootHome(id);
  for (const path of ["/var/lib/attune", dir]) {
    mkdirSync(path, { recursive: true });
    // The umask of root may have shut the server out.
    chmodSync(path, 0o755);
  }
  const data = join(dir, "data");
  return { dir, data, account: ownerOf(data) ?? preferredAccount(readFileSync("/etc/passwd", "utf8")), id };
}

function rootHome(id: string): string {
  return `/var/lib/attune/${id}`;
}

/** Files made by an earlier start belong to whom it chose, also when a better name exists by now. */
function ownerOf(data: string): Account | undefined {
  const stats = statSync(data, { throwIfNoEntry: false });
  return stats && stats.uid !== 0 ? { name: `uid ${stats.uid}`, uid: stats.uid, gid: stats.gid } : undefined;
}

/** The first of attune, postgres and nobody in the text of a passwd file; the usual ids of nobody when none is there. */
export function preferredAccount(passwd: string): NonNullable<Account> {
  const entries = passwd.split("\n").map((line) => line.split(":"));
  for (const name of preferredAccounts) {
    const entry = entries.find((fields) => fields[0] === name);
    const uid = Number(entry?.[2]);
    const gid = Number(entry?.[3]);
    if (entry && uid > 0 && gid > 0) return { name, uid, gid };
  }
  return { name: "nobody", uid: 65534, gid: 65534 };
}

/** Gives a tree to the account, without following links. */
export function giveTo(account: Account, path: string): void {
  if (!account) return;
  lchownSync(path, account.uid, account.gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) giveTo(account, join(path, name));
}

/** Makes the directory of the server's socket, which only the server's account and root can enter. */
export function makeSocketDir(home: Home): string {
  for (const path of socketDirs(home.id, home.account !== null, process.env["XDG_RUNTIME_DIR"], tmpdir())) {
    if (claim(path, home.account)) return path;
  }
  const path = mkdtempSync(`/tmp/attune-${home.id}-`);
  giveTo(home.account, path);
  return path;
}

/** Candidates for the socket's directory, best first, without those whose socket path would be too long. */
export function socketDirs(id: string, root: boolean, runtimeDir: string | undefined, temp: string): string[] {
  const dirs = root ? [`/run/attune/${id}`] : runtimeDir ? [join(runtimeDir, `attune-${id}`)] : [];
  return [...dirs, join(temp, `attune-${id}`), `/tmp/attune-${id}`].filter(
    (dir) => Buffer.byteLength(join(dir, `.s.PGSQL.${serverPort}`)) <= maxSocketPath,
  );
}

/** False when the directory can't be made or is somebody else's: in a shared directory anyone could have made it first. */
function claim(path: string, account: Account): boolean {
  try {
    if (path.startsWith("/run/attune/")) {
      mkdirSync("/run/attune", { recursive: true });
      chmodSync("/run/attune", 0o755);
    }
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stats = lstatSync(path);
    const self = process.geteuid?.();
    if (!stats.isDirectory() || (stats.uid !== self && stats.uid !== account?.uid)) return false;
    if (account) lchownSync(path, account.uid, account.gid);
    chmodSync(path, 0o700);
    return true;
  } catch {
    // Not writable here: the next candidate is.
    return false;
  }
}
