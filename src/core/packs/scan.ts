import { realpathSync } from "node:fs";
import { basename } from "node:path";
import type { Problem } from "../plugin.ts";
import type { LoadedPack, PackManifest, RuntimeDefinition } from "../registry.ts";
import { breather } from "./breather.ts";
import { codeReader } from "./code.ts";
import { type FileState, type FileStates, fileStates, isMissing } from "./files.ts";
import { withFrames } from "./frames.ts";
import type { KnownImports } from "./imports/imports.ts";
import { type CheckRule, type ReadComponent, readComponent } from "./kinds/components.ts";
import type { ComponentKind } from "./kinds/fields.ts";
import { type ReadManifest, readManifest } from "./kinds/manifest.ts";
import { linkComponents } from "./link.ts";
import { type ComponentFile, isLink, listComponentFiles, unreadable } from "./listing.ts";
import { mistake, type PlaceOf, warning } from "./problems.ts";
import { type RuntimeNames, withPackRuntimes } from "./runner.ts";
import { hashTree } from "./tree.ts";
import { MAX_YAML_BYTES, parseDocument } from "./yaml/document.ts";

export interface ScanOptions {
  readonly runtimeNames: RuntimeNames;
  /** Must give the same answers for the lifetime of a `previous` chain: an unchanged rule is not checked again. */
  readonly checkRule?: CheckRule;
  /** The last scan of the same directory: what did not change since is not read again. */
  readonly previous?: ScannedPack;
}

/** A component file that can't be used, or a whole folder. */
export interface BrokenFile {
  /** Relative to the pack. */
  readonly file: string;
  readonly kind: ComponentKind;
  /** null when the file does not say, or its ref is what is wrong. */
  readonly ref: string | null;
  readonly problems: readonly Problem[];
}

/** A pack as its files are now. The maps hold only what can be served. */
export interface ScannedPack extends Omit<LoadedPack, "manifest" | "snapshot" | "kept"> {
  /** null when pack.yaml is missing or broken; `ref` is then that of the previous scan, else the directory's name. */
  readonly manifest: PackManifest | null;
  readonly broken: readonly BrokenFile[];
  readonly placeOf: PlaceOf;
  readonly cache: ScanCache;
}

interface ScanCache {
  readonly states: ReadonlyMap<string, FileState>;
  readonly manifest: ReadManifest;
  readonly components: ReadonlyMap<string, ReadComponent>;
  readonly imports: KnownImports;
}

/**
 * Reads the pack in `dir`, which may be a link. A mistake in a file is a problem and never an exception; `dir` of the result is the
 * real path. A component's hash covers its definition and, for actions and sensors, its runtime, its script and what that imports from the
 * pack, but no absolute path: the same pack elsewhere has the same hashes.
 */
export async function scanPack(dir: string, options: ScanOptions): Promise<ScannedPack> {
  const { previous, checkRule } = options;
  const root = realDirectory(dir);
  const manifestFiles = fileStates(root, previous?.cache.states ?? new Map());
  const guess = previous?.ref ?? basename(dir);
  const manifest = scanManifest(manifestFiles, guess, previous?.cache.manifest);
  const ref = manifest.manifest?.ref ?? guess;

  // A component's refs and hints depend on the pack's ref: under another ref nothing read before can be used.
  const known = previous?.ref === ref ? previous.cache : undefined;
  const files = fileStates(root, known?.states ?? new Map());
  const listing = listComponentFiles(root);
  const components = new Map<string, ReadComponent>();
  const rest = breather();
  for (const entry of listing.files) {
    const component = scanComponent(files, root, entry, ref, known?.components.get(entry.file), checkRule);
    if (component) components.set(entry.file, component);
    await rest();
  }

  const read = [...components.values()];
  const lib = await hashTree(root, "lib", files);
  const runtimeNames = withPackRuntimes(options.runtimeNames, definedRuntimes(read));
  const code = codeReader(root, files, lib.hash, known?.imports ?? new Map());
  const linked = await linkComponents(read, { root, files, runtimeNames, code, previous, rest });
  const broken = [...listing.broken, ...linked.broken];
  const problems = [...manifest.problems, ...directoryName(dir, manifest), ...read.flatMap((component) => component.problems)];
  problems.push(...listing.broken.flatMap((folder) => folder.problems), ...linked.problems, ...lib.problems);
  return {
    ref,
    dir: root,
    manifest: manifest.manifest,
    ...linked.maps,
    problems: withFrames(root, problems.sort(byPlace)),
    broken,
    placeOf: placesIn(components, manifest.places),
    cache: { states: new Map([...manifestFiles.states, ...files.states]), manifest, components, imports: code.known },
  };
}

/** Not made within the scan, since it would keep that one's variables, and so the scan before, and all before that. */
function placesIn(components: ReadonlyMap<string, ReadComponent>, ofManifest: ReadManifest["places"]): PlaceOf {
  return (file, field, of = "value") =>
    file === "pack.yaml" ? ofManifest.get(field) : components.get(file)?.[of === "key" ? "keyPlaces" : "places"].get(field);
}

function realDirectory(dir: string): string {
  try {
    return realpathSync(dir);
  } catch {
    // The directory vanished or is a broken link: reading pack.yaml says so.
    return dir;
  }
}

function scanManifest(files: FileStates, guess: string, known: ReadManifest | undefined): ReadManifest {
  try {
    return files.parsed("pack.yaml", MAX_YAML_BYTES, known, (bytes) => readManifest(bytes, guess));
  } catch (error) {
    const problem = isMissing(error)
      ? mistake("pack.yaml", null, "pack.yaml is missing", `create it with the lines ref: ${guess} and version: "1.0.0"`)
      : unreadable("pack.yaml", error);
    return { manifest: null, problems: [problem], refAt: null, places: new Map() };
  }
}

/** null when the file vanished since it was listed. */
function scanComponent(
  files: FileStates,
  root: string,
  { kind, file }: ComponentFile,
  pack: string,
  known: ReadComponent | undefined,
  checkRule: CheckRule | undefined,
): ReadComponent | null {
  const broken = (problems: readonly Problem[]): ReadComponent => ({
    kind,
    file,
    ref: null,
    draft: null,
    problems,
    places: new Map(),
    keyPlaces: new Map(),
  });
  try {
    return files.parsed(file, MAX_YAML_BYTES, known, (bytes) => {
      const parsed = parseDocument(bytes, file);
      return parsed.document ? readComponent(kind, parsed.document, pack, checkRule) : broken(parsed.problems);
    });
  } catch (error) {
    if (!isMissing(error)) return broken([unreadable(file, error)]);
    return isLink(root, file)
      ? broken([mistake(file, null, "the link leads nowhere", "remove it, or create what it points at")])
      : null;
  }
}

function definedRuntimes(components: readonly ReadComponent[]): RuntimeDefinition[] {
  return components.flatMap(({ draft }) => (draft?.kind === "runtime" ? [draft.component] : []));
}

function directoryName(dir: string, { manifest, refAt }: ReadManifest): Problem[] {
  const name = basename(dir);
  if (!manifest || manifest.ref === name) return [];
  return [
    warning(
      "pack.yaml",
      refAt,
      `the pack ${manifest.ref} lies in a directory named ${name}`,
      `rename the directory to ${manifest.ref}`,
    ),
  ];
}

function byPlace(a: Problem, b: Problem): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
