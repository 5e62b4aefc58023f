import { mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { AttuneError, nearest } from "../errors.ts";
import type { Problem } from "../plugin.ts";
import { edited, elsewhere, invalid, refuseTaken, requirePromised } from "./conflicts.ts";
import { type FetchWork, fetchSource } from "./fetch.ts";
import { choose, type PackIndex } from "./index-file.ts";
import { contentDigest, type InstallRecord, readRecord, writeRecord } from "./record.ts";
import { type Source, sourceText } from "./source.ts";
import { openStage, type Stage } from "./stage.ts";

/** What an installation needs of others. */
export interface InstallWork extends FetchWork {
  /** Where packs are looked for; a new one goes into the first. */
  readonly directories: readonly string[];
  /** The packs that lie in `directories`, and the directory of each. */
  readonly findPacks: () => Promise<readonly InstalledAt[]>;
  /** What pack.yaml says. Throws PACK_INVALID when it can't be read. */
  readonly readManifest: (dir: string) => Manifest;
  /** Every mistake and warning in the pack. */
  readonly validate: (dir: string) => Promise<readonly Problem[]>;
  /** Reads the indexes; those given by the operator, or the one a pack was installed from. */
  readonly indexes: (location: string | null) => Promise<readonly PackIndex[]>;
}
interface InstalledAt {
  readonly ref: string;
  readonly dir: string;
}
export interface Manifest {
  readonly ref: string;
  readonly version: string;
  readonly dependencies: readonly string[];
}

export interface Installed {
  readonly pack: string;
  readonly version: string;
  /** Of the pack that was there before. */
  readonly previous: string | null;
  readonly directory: string;
  readonly source: string;
  readonly sha256: string | null;
  readonly commit: string | null;
  readonly files: number;
  readonly bytes: number;
  readonly dependencies: readonly string[];
  readonly warnings: readonly Problem[];
}

export interface Updated {
  readonly pack: string;
  readonly from: string | null;
  readonly to: string;
  /** False when there is nothing newer. */
  readonly changed: boolean;
}

/**
 * Installs the pack of `source`. With `force` it replaces one with the same ref. Throws CONFLICT when the ref is taken, PACK_INVALID
 * when the pack has mistakes, and what fetching throws; then everything is as it was before.
 */
export async function installPack(
  source: Source,
  options: { readonly sha256: string | null; readonly force: boolean },
  work: InstallWork,
): Promise<Installed> {
  const directory = work.directories[0] ?? "packs";
  using stage = openStage(directory);
  const wanted = await resolve(source, null, work);
  return await put(stage, wanted, options.sha256, work, async (manifest) => {
    const there = (await work.findPacks()).find(({ ref }) => ref === manifest.ref);
    const target = there?.dir ?? path.join(directory, manifest.ref);
    refuseTaken(manifest, there?.dir, target, options.force);
    // Only within one file system can it be put in place in one step.
    if (path.dirname(target) !== directory) throw elsewhere(manifest.ref, target);
    return { dir: target, isTaken: there !== undefined };
  });
}

/**
 * Fetches an installed pack again from where it came, or its git ref or range of versions by `source`. With `force` edits made since
 * are lost. Throws NOT_FOUND for a pack that is not there or was not installed, CONFLICT for one with edits, and what installing throws.
 */
export async function updatePack(
  ref: string,
  sourceOf: (record: InstallRecord) => Source,
  options: { readonly force: boolean },
  work: InstallWork,
): Promise<Updated> {
  const { dir, record } = await requireInstalled(ref, work);
  const unedited = () => {
    const content = contentDigest(dir, work.isPart);
    if (!options.force && content !== record.content) throw edited(ref, dir, "update");
    return content;
  };
  const content = unedited();
  using stage = openStage(path.dirname(dir));
  const wanted = await resolve(sourceOf(record), record.index, work);
  const from = versionOf(dir, work);
  if (content === record.content && isSame(wanted, record)) return { pack: ref, from, to: record.version, changed: false };
  const installed = await put(stage, wanted, null, work, async (manifest) => {
    if (manifest.ref === ref) {
      // Fetching takes its time, in which somebody may have begun to edit.
      unedited();
      return { dir, isTaken: true };
    }
    throw new AttuneError("CONFLICT", `${record.source} has the pack ${manifest.ref} now, and not ${ref}`, {
      hint: `install it with attune pack install, and remove ${ref} with attune pack uninstall`,
    });
  });
  return { pack: ref, from, to: installed.version, changed: readRecord(dir)?.content !== content };
}

/** Removes an installed pack; with `force` also one that was edited or was not installed. Returns its directory. */
export async function uninstallPack(ref: string, options: { readonly force: boolean }, work: InstallWork): Promise<string> {
  const { dir } = options.force ? await requirePack(ref, work) : await requireInstalled(ref, work);
  const record = readRecord(dir);
  if (!options.force && record && contentDigest(dir, work.isPart) !== record.content) throw edited(ref, dir, "uninstall");
  using stage = openStage(path.dirname(dir));
  stage.remove(dir);
  return dir;
}

/** What to fetch for a source; of an index the version that was chosen. */
interface Wanted {
  readonly source: Source;
  readonly from: Exclude<Source, { kind: "index" }>;
  readonly promised: {
    readonly name: string;
    readonly version: string;
    readonly sha256: string | null;
    readonly index: string;
  } | null;
}

async function resolve(source: Source, index: string | null, work: InstallWork): Promise<Wanted> {
  if (source.kind !== "index") return { source, from: source, promised: null };
  const found = choose(await work.indexes(index), source.name, source.range);
  const { version, sha256 } = found.chosen;
  return { source, from: found.chosen.source, promised: { name: source.name, version, sha256, index: found.index.location } };
}

/** The index still names the archive that was installed. */
function isSame({ promised }: Wanted, record: InstallRecord): boolean {
  return promised !== null && promised.sha256 !== null && promised.sha256 === record.sha256;
}

/** Where a pack is to lie. */
interface Target {
  readonly dir: string;
  /** Whether another one lies there now. */
  readonly isTaken: boolean;
}

/** Fetches, checks and puts in place. */
async function put(
  stage: Stage,
  { source, from, promised }: Wanted,
  sha256: string | null,
  work: InstallWork,
  targetOf: (manifest: Manifest) => Promise<Target>,
): Promise<Installed> {
  const fetched = await fetchSource(from, sha256 ?? promised?.sha256 ?? null, stage.dir, work);
  const manifest = work.readManifest(fetched.dir);
  if (promised) requirePromised(manifest, promised.name, promised.version);
  const target = await targetOf(manifest);

  // Its directory's name is looked at, too.
  const named = path.join(stage.dir, "pack", manifest.ref);
  mkdirSync(path.dirname(named));
  renameSync(fetched.dir, named);
  work.progress({ phase: "check", pack: manifest.ref });
  const problems = await work.validate(named);
  const mistakes = problems.filter(({ severity }) => severity === "error");
  if (mistakes.length > 0) throw invalid(manifest, mistakes);

  const record: InstallRecord = {
    source: sourceText(source),
    index: promised?.index ?? null,
    version: manifest.version,
    sha256: fetched.sha256,
    commit: fetched.commit,
    content: contentDigest(named, work.isPart),
    installed_at: new Date().toISOString(),
  };
  writeRecord(named, record);
  work.signal.throwIfAborted();
  const previous = target.isTaken ? versionOf(target.dir, work) : null;
  if (target.isTaken) stage.replace(named, target.dir);
  else stage.place(named, target.dir);
  return {
    pack: manifest.ref,
    version: manifest.version,
    previous,
    directory: target.dir,
    source: record.source,
    sha256: record.sha256,
    commit: record.commit,
    files: fetched.files,
    bytes: fetched.bytes,
    dependencies: manifest.dependencies,
    warnings: problems.filter(({ severity }) => severity === "warning"),
  };
}

function versionOf(dir: string, work: InstallWork): string | null {
  try {
    return work.readManifest(dir).version;
  } catch {
    return null; // It is about to be replaced, whatever it was.
  }
}

async function requirePack(ref: string, work: InstallWork): Promise<{ dir: string }> {
  const packs = await work.findPacks();
  const found = packs.find((pack) => pack.ref === ref);
  if (found) return { dir: found.dir };
  const near = nearest(
    ref,
    packs.map((pack) => pack.ref),
  );
  throw new AttuneError("NOT_FOUND", `there is no pack ${ref} in ${work.directories.join(", ")}`, {
    hint: near && `did you mean ${near}?`,
  });
}

async function requireInstalled(ref: string, work: InstallWork): Promise<{ dir: string; record: InstallRecord }> {
  const { dir } = await requirePack(ref, work);
  const record = readRecord(dir);
  if (record) return { dir, record };
  throw new AttuneError("CONFLICT", `${ref} in ${dir} was not installed by attune`, {
    hint: "it may be somebody's own work: update or remove its directory by hand, or use install or uninstall with --force",
  });
}
