import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isObject } from "../values.ts";
import { kindOf } from "./shape.ts";
import type { PluginFacts } from "./trial.ts";

/** A version of a plugin that passed its trial. The last one is served again after a restart while its file is broken. */
export interface GoodVersion {
  readonly hash: string;
  /** Path of the bundle. */
  readonly bundle: string;
  readonly inputs: readonly string[];
  readonly facts: PluginFacts;
}

/** The directory of the bundles, and the note of which of them are good. */
export interface BundleStore {
  readonly dir: string;
  /** By the plugin's file, as it was when the daemon started. */
  readonly good: ReadonlyMap<string, GoodVersion>;
  /** Notes what is in force now. */
  note(versions: ReadonlyMap<string, GoodVersion>): void;
}

/**
 * Opens `dir`, which need not exist, and removes bundles that nothing notes. A note that can't be read counts as none: the
 * plugins are then tried anew.
 */
export function openBundles(dir: string): BundleStore {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const note = path.join(dir, "good.json");
  const good = readNote(note, dir);
  const kept = new Set([note, ...[...good.values()].map((version) => version.bundle)]);
  for (const name of readdirSync(dir)) if (!kept.has(path.join(dir, name))) rmSync(path.join(dir, name), { force: true });
  return {
    dir,
    good,
    note(versions) {
      writeFileSync(`${note}.new`, JSON.stringify(Object.fromEntries(versions), null, 1), { mode: 0o600 });
      renameSync(`${note}.new`, note);
    },
  };
}

function readNote(note: string, dir: string): Map<string, GoodVersion> {
  const found = new Map<string, GoodVersion>();
  let stored: unknown;
  try {
    stored = JSON.parse(readFileSync(note, "utf8"));
  } catch {
    return found; // The first start, or a note cut short.
  }
  for (const [file, version] of Object.entries(isObject(stored) ? stored : {})) {
    if (!isObject(version)) continue;
    const { hash, bundle, inputs } = version;
    const facts = readFacts(version["facts"]);
    if (typeof hash !== "string" || typeof bundle !== "string" || path.dirname(bundle) !== dir || !facts) continue;
    if (isTexts(inputs)) found.set(file, { hash, bundle, inputs, facts });
  }
  return found;
}

function readFacts(value: unknown): PluginFacts | null {
  if (!isObject(value)) return null;
  const { name, hooks } = value;
  const kind = kindOf(value["kind"]);
  return kind && typeof name === "string" && isTexts(hooks) ? { kind, name, hooks } : null;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
