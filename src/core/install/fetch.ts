import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readdirSync, realpathSync, statSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import type { Environment } from "../environment.ts";
import { AttuneError } from "../errors.ts";
import { unpackArchive } from "./archive.ts";
import { copyDirectory } from "./copy.ts";
import { download } from "./download.ts";
import { createEntries, type Entries } from "./entries.ts";
import { fetchGit } from "./git.ts";
import { limits, mostUnpacked } from "./limits.ts";
import type { Work } from "./progress.ts";
import { refused } from "./refusal.ts";
import type { Source } from "./source.ts";

export interface FetchWork extends Work {
  readonly env: Environment;
  /** By its name, whether a file or directory belongs to a pack wherever it lies. */
  readonly isPart: (name: string) => boolean;
}

/** The files of a pack, not yet looked at. */
export interface Fetched {
  /** The directory with pack.yaml. */
  readonly dir: string;
  readonly files: number;
  readonly bytes: number;
  /** Of the archive, hexadecimal. */
  readonly sha256: string | null;
  readonly commit: string | null;
}

/** Never installed with a directory: what is made from package.json, thousands of files with links among them. */
const installedPackages = "node_modules";

/**
 * Brings the files of `source` into `stage`, a private directory. With `sha256` an archive must have that digest; it is compared
 * before anything is unpacked. Throws SOURCE_REFUSED, SOURCE_UNAVAILABLE, NOT_FOUND or USAGE.
 */
export async function fetchSource(
  source: Exclude<Source, { kind: "index" }>,
  sha256: string | null,
  stage: string,
  work: FetchWork,
): Promise<Fetched> {
  const root = path.join(stage, "files");
  mkdirSync(root);
  const into = (maxBytes: number, isPart = work.isPart) => createEntries(root, { isPart, maxBytes, work });
  const result = (entries: Entries, digest: string | null, commit: string | null): Fetched => {
    return { dir: packIn(root), files: entries.files, bytes: entries.bytes, sha256: digest, commit };
  };
  const unpacked = async (file: string, found: { readonly bytes: number; readonly sha256: string }) => {
    compare(sha256, found.sha256);
    const entries = into(mostUnpacked(found.bytes));
    await unpackArchive(file, found.bytes, entries);
    return result(entries, found.sha256, null);
  };

  if (source.kind === "download") {
    const file = path.join(stage, "archive");
    return unpacked(file, await download(source.url, file, work));
  }
  const stat = source.kind === "path" ? statSync(source.path, { throwIfNoEntry: false }) : undefined;
  if (source.kind === "path" && stat?.isFile()) {
    if (stat.size > limits.archiveBytes) throw refused(`${source.path} has more than ${limits.archiveBytes / 1024 / 1024} MiB`);
    // What is unpacked is what was compared, whoever else may write the file.
    const file = path.join(stage, "archive");
    await copyFile(source.path, file);
    return unpacked(file, await digestOf(file));
  }
  if (sha256 !== null)
    throw new AttuneError("USAGE", "--sha256 is the digest of an archive", { hint: "a commit of git names its content itself" });
  if (source.kind === "git") {
    const entries = into(limits.packBytes);
    const commit = await fetchGit(source, path.join(stage, "git"), () => entries, work);
    return result(entries, null, commit);
  }
  if (!stat?.isDirectory())
    throw new AttuneError("NOT_FOUND", `there is no ${source.path}`, { hint: "give a directory, an archive, or an address" });
  const from = realpathSync(source.path);
  if (isInside(from, realpathSync(stage)))
    throw refused(`${source.path} holds the directory to install into`, "name the pack's own directory");
  if (!existsSync(path.join(from, "pack.yaml"))) throw noPack(source.path);
  const isPart = (name: string) => name !== installedPackages && work.isPart(name);
  const entries = into(limits.packBytes, isPart);
  await copyDirectory(from, isPart, entries);
  return result(entries, null, null);
}

async function digestOf(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(file)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

function compare(wanted: string | null, found: string): void {
  if (wanted === null || wanted.toLowerCase() === found) return;
  throw refused(
    `the archive's SHA-256 is ${found}, and not ${wanted.toLowerCase()}`,
    "it is not the archive that was meant, or it is damaged",
  );
}

/** Archives often have all their files in one directory, named after the release. */
function packIn(root: string): string {
  if (existsSync(path.join(root, "pack.yaml"))) return root;
  const [only, ...others] = readdirSync(root);
  if (only !== undefined && others.length === 0 && existsSync(path.join(root, only, "pack.yaml"))) return path.join(root, only);
  throw noPack("it");
}

function noPack(what: string): AttuneError {
  return refused(`${what} has no pack.yaml`, "a pack has it at its top, or in the one directory at the top");
}

function isInside(parent: string, file: string): boolean {
  return file === parent || file.startsWith(`${parent}${path.sep}`);
}
