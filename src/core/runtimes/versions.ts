import semver from "semver";
import type { Interpreter } from "../plugin.ts";

/** Python's and others' versions are not always semver: `3.14.0rc1`, `5.36`. Beta versions count like any other. */
const options = { loose: true, includePrerelease: true };

/**
 * A range of versions in the form `semver` reads; null when it is none. `>=3.10,<4.0` may have commas, and a version of one
 * or two numbers means all that begin with it: `3.12` is `~3.12`.
 */
export function versionRange(stated: string): string | null {
  const text = stated.trim().replaceAll(/\s*,\s*/g, " ");
  return text === "" ? null : semver.validRange(text, options);
}

export function isVersion(text: string): boolean {
  return comparable(text) !== null;
}

/** Whether a version is within a range as a file states it. A range that is none holds nothing. */
export function satisfies(version: string, stated: string): boolean {
  const range = versionRange(stated);
  const parsed = comparable(version);
  return range !== null && parsed !== null && semver.satisfies(parsed, range, options);
}

/** Negative when `a` is the older of two versions. */
export function compareVersions(a: string, b: string): number {
  return semver.compare(comparable(a) ?? "0.0.0", comparable(b) ?? "0.0.0", options);
}

/** The newest interpreter within a range; of the same version the first. */
export function newest<I extends Interpreter>(interpreters: readonly I[], range: string): I | undefined {
  return interpreters
    .filter(({ version }) => version !== undefined && satisfies(version, range))
    .toSorted((a, b) => compareVersions(b.version ?? "", a.version ?? ""))[0];
}

function comparable(version: string): semver.SemVer | null {
  return semver.parse(version, options) ?? semver.coerce(version);
}
