import { readFileSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../core/errors.ts";
import { isSha256 } from "../core/install/index-file.ts";
import {
  type Installed,
  type InstallWork,
  installPack,
  type Manifest,
  type Updated,
  uninstallPack,
  updatePack,
} from "../core/install/install.ts";
import { readRecord } from "../core/install/record.ts";
import { parseSource } from "../core/install/source.ts";
import { findPacks } from "../core/packs/find.ts";
import { readManifest } from "../core/packs/kinds/manifest.ts";
import { isLeftover } from "../core/packs/leftovers.ts";
import { segment } from "./client.ts";
import type { Context } from "./context.ts";
import { type PackDirectories, packDirectories } from "./pack-directories.ts";
import { readIndexes } from "./pack-indexes.ts";
import { problemLines } from "./problem-lines.ts";
import { progressLine } from "./progress-line.ts";
import { validateOffline } from "./validate-offline.ts";

export interface InstallOptions {
  readonly dir?: string;
  readonly index?: readonly string[];
  readonly force?: boolean;
  readonly ref?: string;
  readonly sha256?: string;
}

/** `attune pack install SOURCE` */
export async function install(shown: Context, text: string, options: InstallOptions): Promise<void> {
  const { sha256 = null } = options;
  if (sha256 !== null && !isSha256(sha256)) throw new AttuneError("USAGE", "--sha256 takes 64 hexadecimal digits");
  const source = parseSource(text, { cwd: shown.io.cwd, ref: options.ref });
  const where = await packDirectories(shown, options.dir);
  const installed = await withWork(shown, where, options.index ?? [], (work) =>
    installPack(source, { sha256, force: options.force ?? false }, work),
  );
  const told = await tellDaemon(where, installed.pack);
  await shown.done({ ...installed, daemon: told }, sentence(shown, installed, told));
}

/** `attune pack update [REF]`; whether all went well. */
export async function update(shown: Context, ref: string | undefined, options: InstallOptions): Promise<boolean> {
  if (options.ref !== undefined && ref === undefined)
    throw new AttuneError("USAGE", "--ref needs the pack it is for", { hint: "attune pack update REF --ref NAME" });
  const where = await packDirectories(shown, options.dir);
  const rows: UpdateRow[] = [];
  for (const one of ref === undefined ? await installedRefs(where) : [ref]) {
    try {
      const updated = await withWork(shown, where, options.index ?? [], (work) =>
        updatePack(
          one,
          (record) => parseSource(record.source, { cwd: "/", ref: options.ref }),
          { force: options.force ?? false },
          work,
        ),
      );
      if (updated.changed) await tellDaemon(where, one);
      rows.push({ ...updated, error: null, hint: null });
    } catch (thrown) {
      // One that fails does not keep the others from being updated.
      if (ref !== undefined || !(thrown instanceof AttuneError)) throw thrown;
      rows.push({ pack: one, from: null, to: null, changed: false, error: thrown.message, hint: thrown.hint ?? null });
    }
  }
  await shown.list(rows, updateColumns, "no pack here was installed by attune");
  return rows.every(({ error }) => error === null);
}

/** `attune pack uninstall REF` */
export async function uninstall(shown: Context, ref: string, options: Omit<InstallOptions, "index">): Promise<void> {
  const where = await packDirectories(shown, options.dir);
  const directory = await withWork(shown, where, [], (work) => uninstallPack(ref, { force: options.force ?? false }, work));
  await tellDaemon(where, ref);
  await shown.done({ pack: ref, directory }, `uninstalled ${ref} from ${short(shown, directory)}`);
}

interface UpdateRow extends Omit<Updated, "to"> {
  readonly to: string | null;
  readonly error: string | null;
  readonly hint: string | null;
}

const updateColumns = [
  { header: "PACK", value: (row: UpdateRow) => row.pack },
  { header: "FROM", value: (row: UpdateRow) => row.from },
  { header: "TO", value: (row: UpdateRow) => row.to },
  {
    header: "RESULT",
    value: (row: UpdateRow) => (row.error !== null ? `failed: ${row.error}` : row.changed ? "updated" : "up to date"),
    style: (text: string) => (text.startsWith("failed") ? ("red" as const) : undefined),
  },
];

async function installedRefs({ directories }: PackDirectories): Promise<string[]> {
  const packs = await findPacks(directories);
  return packs.filter(({ dir }) => readRecord(dir) !== null).map(({ ref }) => ref);
}

/** Runs one step with all that it needs, and shows how far it is. */
async function withWork<T>(
  shown: Context,
  { directories }: PackDirectories,
  indexes: readonly string[],
  step: (work: InstallWork) => Promise<T>,
): Promise<T> {
  using line = progressLine(shown);
  return await step({
    directories,
    signal: shown.io.signal,
    env: shown.io.env,
    progress: line.show,
    isPart: (name) => !isLeftover(name),
    findPacks: () => findPacks(directories),
    readManifest: manifestOf,
    validate: async (dir) => (await validateOffline([dir])).flatMap(({ problems }) => problems),
    indexes: (location) => readIndexes(shown, indexes, location),
  });
}

function manifestOf(dir: string): Manifest {
  const { manifest, problems } = readManifest(readFileSync(path.join(dir, "pack.yaml")), path.basename(dir));
  if (!manifest) {
    const [first] = problems;
    const at = { file: "pack.yaml", ...(first?.line && { line: first.line }), ...(first?.column && { column: first.column }) };
    throw new AttuneError("PACK_INVALID", first?.message ?? "it can't be read", { at, hint: first?.hint ?? undefined });
  }
  const { ref, version, dependencies } = manifest;
  return { ref, version, dependencies: dependencies.map((one) => (one.range === null ? one.ref : `${one.ref} ${one.range}`)) };
}

/** What the daemon made of the change; null when there is none to tell. It would find it by itself a moment later. */
async function tellDaemon({ daemon }: PackDirectories, ref: string): Promise<{ served: boolean; errors: number } | null> {
  if (!daemon) return null;
  try {
    const reports = await daemon.post<{ errors: unknown[] }[]>(`/packs/${segment(ref)}/reload`);
    return { served: reports.length > 0, errors: reports.reduce((sum, report) => sum + report.errors.length, 0) };
  } catch (thrown) {
    if (thrown instanceof AttuneError) return { served: false, errors: 0 };
    throw thrown;
  }
}

function sentence(shown: Context, installed: Installed, told: Awaited<ReturnType<typeof tellDaemon>>): string {
  const { pack, version, previous, directory, files, dependencies, warnings } = installed;
  const what = previous === null ? `installed ${pack} ${version}` : `replaced ${pack} ${previous} by ${version}`;
  const lines = [`${what} in ${short(shown, directory)} (${files} ${files === 1 ? "file" : "files"})`];
  if (warnings.length > 0) lines.push(problemLines(warnings, "warning"));
  if (dependencies.length > 0) lines.push(`it depends on ${dependencies.join(", ")}`);
  if (told && told.errors > 0) lines.push(`the daemon finds mistakes in it: attune pack show ${pack}`);
  if (told && !told.served) lines.push("the daemon does not serve it; is it left out by packs.auto_load?");
  return lines.join("\n");
}

function short({ io }: Context, directory: string): string {
  const relative = path.relative(io.cwd, directory);
  return relative.startsWith("..") ? directory : relative;
}
