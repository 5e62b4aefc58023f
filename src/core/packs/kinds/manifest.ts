import { flawOf } from "../../pack-config.ts";
import type { Json, JsonObject, Problem } from "../../plugin.ts";
import type { PackManifest } from "../../registry.ts";
import { formatPath } from "../../spot.ts";
import { readDependencies } from "../dependencies.ts";
import { canonical, digest } from "../hash.ts";
import { isMistake, type Place, warning } from "../problems.ts";
import { parseDocument } from "../yaml/document.ts";
import { checkFields } from "./check.ts";
import { labelOf } from "./kinds.ts";
import { readSchema } from "./schemas.ts";
import { readTesting } from "./testing-field.ts";

export interface ReadManifest {
  /** null when a mistake keeps the file from being used. */
  readonly manifest: PackManifest | null;
  readonly problems: readonly Problem[];
  readonly refAt: Place | null;
  /** Place of what other packs and runtimes may turn out to lack, by `formatPath`. */
  readonly places: ReadonlyMap<string, Place>;
}

interface ManifestFields {
  readonly ref: string;
  readonly version: string;
  readonly label?: string;
  readonly description?: string;
  readonly author?: string;
  readonly email?: string;
  readonly system?: boolean;
  readonly enabled?: boolean;
  readonly tags?: string[];
  readonly conf_schema?: JsonObject;
  readonly config?: JsonObject;
  readonly meta?: JsonObject;
  readonly runtime_deps?: string[];
  readonly dependencies?: Json[];
  readonly warm?: boolean;
  readonly testing?: JsonObject;
}

/** The content of `pack.yaml`. `guess` is the ref to propose when the file states none. */
export function readManifest(bytes: Uint8Array, guess: string): ReadManifest {
  const parsed = parseDocument(bytes, "pack.yaml");
  if (!parsed.document) return { manifest: null, problems: parsed.problems, refAt: null, places: new Map() };
  const checked = checkFields<ManifestFields>("pack", parsed.document, guess);
  const refAt = checked.at(["ref"]);
  if (!checked.fields) return { manifest: null, problems: checked.problems, refAt, places: new Map() };
  const { fields } = checked;
  const problems = [...checked.problems];
  const confSchema = readSchema("conf_schema", fields.conf_schema, { file: parsed.document.file, at: checked.at }, (problem) =>
    problems.push(problem),
  );
  const testing = readTesting(fields.testing, checked.at, (problem) => problems.push(problem));
  const dependencies = readDependencies(fields.dependencies, checked.at, (problem) => problems.push(problem));
  for (const [key, value] of Object.entries(fields.config ?? {})) {
    const flaw = flawOf(confSchema, key, value);
    if (flaw !== null) problems.push(warning("pack.yaml", checked.at(["config", key]), flaw));
  }
  if (problems.some(isMistake)) return { manifest: null, problems, refAt, places: new Map() };
  const manifest = {
    ref: fields.ref,
    label: fields.label ?? labelOf(fields.ref),
    description: fields.description ?? null,
    version: fields.version,
    author: fields.author ?? null,
    email: fields.email ?? null,
    system: fields.system ?? false,
    enabled: fields.enabled ?? true,
    conf_schema: { ...confSchema },
    config: fields.config ?? {},
    meta: fields.meta ?? {},
    tags: fields.tags ?? [],
    runtime_deps: fields.runtime_deps ?? [],
    dependencies,
    warm: fields.warm ?? true,
    testing,
  };
  const judged = (["dependencies", "runtime_deps"] as const).flatMap((field) =>
    (fields[field] ?? []).map((_, index): [string, Place] => [formatPath([field, index]), checked.at([field, index])]),
  );
  const hash = digest(canonical(manifest));
  return { manifest: { ...manifest, hash }, problems, refAt, places: new Map(judged) };
}
