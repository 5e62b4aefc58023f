import semver from "semver";
import type { Json, Problem } from "../plugin.ts";
import type { LoadedPack, PackDependency, PackManifest, Registry } from "../registry.ts";
import { suggestion } from "../registry-build.ts";
import { formatPath } from "../spot.ts";
import { isObject } from "../values.ts";
import { mistake, type PlaceOf } from "./problems.ts";
import type { PackDocument } from "./yaml/document.ts";

const PACK = /^[a-z][a-z0-9_-]{0,63}$/;

/**
 * What a pack states of the packs it needs: `name`, `name@range`, `name >=1.2`, or `{ref, version}` with `pack` or `name`
 * for `ref`. Ranges are those of semver. What can't be read is reported and left out.
 */
export function readDependencies(
  stated: readonly Json[] | undefined,
  at: PackDocument["at"],
  report: (problem: Problem) => void,
): PackDependency[] {
  return (stated ?? []).flatMap((entry, index) => {
    const place = at(["dependencies", index]);
    const found = typeof entry === "string" ? ofText(entry) : isObject(entry) ? ofObject(entry) : null;
    if (!found || !PACK.test(found.ref)) {
      report(mistake("pack.yaml", place, "this is no dependency", 'write name, name@^1.2, or { ref: name, version: "^1.2" }'));
      return [];
    }
    const range = found.range === null || found.range === "" ? null : semver.validRange(found.range.replaceAll(",", " "));
    if (found.range && range === null) {
      const hint = "such as ^1.2, ~1.2.3 or >=1.0.0 <3.0.0";
      report(mistake("pack.yaml", place, `${JSON.stringify(found.range.slice(0, 80))} is no range of versions`, hint));
      return [];
    }
    return [{ ref: found.ref, range: range === "*" ? null : range }];
  });
}

interface Stated {
  readonly ref: string;
  readonly range: string | null;
}

function ofText(text: string): Stated | null {
  const [, ref = "", range = ""] = /^([a-z0-9_-]+)\s*@?\s*(.*)$/.exec(text.trim()) ?? [];
  return ref === "" ? null : { ref, range };
}

function ofObject(entry: { readonly [key: string]: Json }): Stated | null {
  const ref = entry["ref"] ?? entry["pack"] ?? entry["name"];
  const range = entry["version"] ?? entry["range"] ?? null;
  return typeof ref === "string" && (range === null || typeof range === "string") ? { ref, range } : null;
}

/** What a pack needs and does not find: packs that are missing or of another version, itself, and runtimes. */
export function dependencyProblems(registry: Registry, pack: LoadedPack, placeOf: PlaceOf): Problem[] {
  const { dependencies, runtime_deps } = pack.manifest;
  const at = (field: string, index: number) => placeOf("pack.yaml", formatPath([field, index])) ?? null;
  const ofPacks = dependencies.flatMap(({ ref, range }, index): Problem[] => {
    const wrong = (message: string, hint?: string) => [mistake("pack.yaml", at("dependencies", index), message, hint)];
    const needed = registry.packs.get(ref);
    if (!needed) {
      const hint = suggestion(ref, registry.packs.keys()) ?? `attune pack install ${ref}`;
      return wrong(`the pack ${ref} is needed and not there`, hint);
    }
    const { version } = needed.manifest;
    if (range !== null && !semver.satisfies(version, range, { includePrerelease: true }))
      return wrong(`the pack ${ref} is needed in a version that satisfies ${range}, and ${version} is there`);
    const circle = circleFrom(registry, pack.ref, ref);
    return circle ? wrong(`the packs need each other: ${circle.join(" -> ")}`, "take one of these dependencies out") : [];
  });
  const ofRuntimes = runtime_deps.flatMap((word, index): Problem[] => {
    const runtime = registry.runtimes.get(registry.runtimeNames.get(word.trim().toLowerCase()) ?? "");
    if (runtime?.state.available) return [];
    const reason =
      runtime?.state.available === false ? `${runtime.ref} is unavailable: ${runtime.state.reason}` : "nothing provides it";
    const hint = runtime ? undefined : suggestion(word, registry.runtimeNames.keys());
    const problem = mistake("pack.yaml", at("runtime_deps", index), `the runtime ${word} is needed: ${reason}`, hint);
    return [{ ...problem, severity: "warning" }];
  });
  return [...ofPacks, ...ofRuntimes];
}

/** The way from `from` over `first` back to `from`, if there is one. */
function circleFrom(registry: Pick<Registry, "packs">, from: string, first: string): string[] | null {
  const seen = new Set<string>();
  const search = (ref: string, way: readonly string[]): string[] | null => {
    if (ref === from) return [...way, ref];
    if (seen.has(ref)) return null;
    seen.add(ref);
    for (const next of registry.packs.get(ref)?.manifest.dependencies ?? []) {
      const found = search(next.ref, [...way, ref]);
      if (found) return found;
    }
    return null;
  };
  return search(first, [from]);
}

/** The same items, each after those it depends on; those that need each other stay in the order they had. */
export function inOrder<T extends { readonly ref: string }>(
  items: readonly T[],
  manifestOf: (item: T) => Pick<PackManifest, "dependencies"> | undefined,
): T[] {
  const byRef = Map.groupBy(items, (item) => item.ref);
  const ordered = new Set<T>();
  const entered = new Set<T>();
  const add = (item: T) => {
    if (entered.has(item)) return;
    entered.add(item);
    for (const { ref } of manifestOf(item)?.dependencies ?? []) for (const needed of byRef.get(ref) ?? []) add(needed);
    ordered.add(item);
  };
  for (const item of items) add(item);
  return [...ordered];
}
