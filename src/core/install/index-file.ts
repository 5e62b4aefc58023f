import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import semver from "semver";
import { AttuneError, nearest, toError } from "../errors.ts";
import { isPackRef } from "../paths.ts";
import { downloadText } from "./download.ts";
import { limits } from "./limits.ts";
import { refused } from "./refusal.ts";
import { parseSource, type Source, webAddress } from "./source.ts";

/** A list of packs that can be installed by name. */
export interface PackIndex {
  /** Path or URL it was read from. */
  readonly location: string;
  readonly packs: readonly IndexedPack[];
}
export interface IndexedPack {
  readonly name: string;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** Newest first. */
  readonly versions: readonly IndexedVersion[];
}
export interface IndexedVersion {
  readonly version: string;
  readonly source: Exclude<Source, { kind: "index" }>;
  /** Of the archive, hexadecimal; null for a git repository. */
  readonly sha256: string | null;
}

/** Reads an index from an absolute path or a URL. Throws SOURCE_UNAVAILABLE, or SOURCE_REFUSED naming what is wrong in it. */
export async function readIndex(location: string, signal: AbortSignal): Promise<PackIndex> {
  const text = /^https?:/i.test(location)
    ? await downloadText(webAddress(location), limits.indexBytes, signal)
    : readLocal(location);
  return parseIndex(text, location);
}

function readLocal(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) throw new AttuneError("NOT_FOUND", `there is no index ${file}`);
  if (stat.size > limits.indexBytes) throw refused(`${file} has more than ${limits.indexBytes / 1024 / 1024} MiB`);
  return readFileSync(file, "utf8");
}

/** {@link readIndex} of its text: `{ packs: [{ name, description, tags, versions: [{ version, source, sha256 }] }] }`. */
export function parseIndex(text: string, location: string): PackIndex {
  const wrong = (where: string, what: string) => refused(`the index ${location}: ${where} ${what}`);
  const list = (value: unknown, where: string): readonly unknown[] => {
    if (!Array.isArray(value)) throw wrong(where, "must be a list");
    return value;
  };
  const string = (value: unknown, where: string): string => {
    if (typeof value !== "string" || value.length > 2_000) throw wrong(where, "must be a text");
    return value;
  };

  function readVersion(value: unknown, at: string): IndexedVersion {
    const { version, source: text, sha256 = null } = fieldsOf(value);
    const stated = string(version, `${at}.version`);
    if (semver.valid(stated) === null) throw wrong(`${at}.version`, "must be a version such as 1.2.0");
    const source = resolveSource(string(text, `${at}.source`), location);
    if (source === null) throw wrong(`${at}.source`, "must be the address of an archive or of a git repository");
    if (source.kind === "git") return { version: stated, source, sha256: null };
    if (typeof sha256 !== "string" || !isSha256(sha256))
      throw wrong(`${at}.sha256`, "must be the SHA-256 of the archive, in hexadecimal");
    return { version: stated, source, sha256: sha256.toLowerCase() };
  }

  const { packs } = fieldsOf(parseJson(text, location));
  return {
    location,
    packs: list(packs, "packs").map((value, i) => {
      const at = `packs[${i}]`;
      const { name, description = null, tags = [], versions } = fieldsOf(value);
      if (!isPackRef(string(name, `${at}.name`))) throw wrong(`${at}.name`, "can't be the ref of a pack");
      return {
        name: string(name, `${at}.name`),
        description: description === null ? null : string(description, `${at}.description`),
        tags: list(tags, `${at}.tags`).map((tag, n) => string(tag, `${at}.tags[${n}]`)),
        versions: list(versions, `${at}.versions`)
          .map((version, n) => readVersion(version, `${at}.versions[${n}]`))
          .sort((a, b) => semver.rcompare(a.version, b.version)),
      };
    }),
  };
}

/** The newest version within a range. Throws NOT_FOUND naming what there is. */
export function choose(indexes: readonly PackIndex[], name: string, range: string): { index: PackIndex; chosen: IndexedVersion } {
  for (const index of indexes) {
    const pack = index.packs.find((one) => one.name === name);
    if (!pack) continue;
    const best = semver.maxSatisfying(
      pack.versions.map(({ version }) => version),
      range,
    );
    const chosen = pack.versions.find(({ version }) => version === best);
    if (chosen) return { index, chosen };
    const versions = pack.versions.map(({ version }) => version).slice(0, 10);
    throw new AttuneError("NOT_FOUND", `${index.location} has no version ${range} of ${name}`, {
      hint: versions.length > 0 ? `it has ${versions.join(", ")}` : "it has none at all",
    });
  }
  const near = nearest(
    name,
    indexes.flatMap((index) => index.packs.map((pack) => pack.name)),
  );
  throw new AttuneError("NOT_FOUND", `there is no pack ${name} in ${indexes.map(({ location }) => location).join(", ")}`, {
    hint: near ? `did you mean ${near}?` : `for a directory write ./${name}`,
  });
}

export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/i.test(text);
}

/** An index on the web names what is on the web; only one on this machine may name files of this machine. */
function resolveSource(text: string, location: string): IndexedVersion["source"] | null {
  const onWeb = /^https?:/i.test(location);
  const isAddress = /^[a-z][a-z0-9+.-]*:/i.test(text);
  const source =
    onWeb && !isAddress
      ? parseSource(webAddress(text, location), { cwd: "/" })
      : parseSource(isAddress || text.includes("/") ? text : `./${text}`, { cwd: path.dirname(location) });
  const isLocal = source.kind === "path" || (source.kind === "git" && source.protocol === "file");
  return source.kind === "index" || (onWeb && isLocal) ? null : source;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function parseJson(text: string, location: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw refused(`the index ${location} is no JSON: ${toError(thrown).message}`);
  }
}
