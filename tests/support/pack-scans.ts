import type { RuntimeNames } from "../../src/core/packs/runner.ts";
import { type ScannedPack, type ScanOptions, scanPack } from "../../src/core/packs/scan.ts";
import type { Problem } from "../../src/core/plugin.ts";
import { writePack } from "./packs.ts";

/** The built-in runtimes' names, as a daemon knows them. */
export const builtinNames: RuntimeNames = {
  words: new Map([
    ...["core.shell", "shell", "bash", "sh"].map((word): [string, string] => [word, "core.shell"]),
    ...["core.python", "python", "python3"].map((word): [string, string] => [word, "core.python"]),
    ...["core.native", "native", "builtin"].map((word): [string, string] => [word, "core.native"]),
  ]),
  extensions: new Map([
    [".sh", "core.shell"],
    [".py", "core.python"],
  ]),
};

export const MANIFEST = 'ref: p\nversion: "1.0.0"\n';

/** Writes a pack `p` into `dir`, with a plain pack.yaml unless `files` has one, and scans it. */
export async function scanFiles(
  dir: string,
  files: Readonly<Record<string, string>>,
  options: Partial<ScanOptions> = {},
): Promise<ScannedPack> {
  return scanPack(writePack(`${dir}/p`, { "pack.yaml": MANIFEST, ...files }), { runtimeNames: builtinNames, ...options });
}

/** `error actions/a.yaml:3:8 message`, for comparing. */
export function brief({ severity, file, line, column, message }: Problem): string {
  return `${severity} ${[file, line, column].filter((part) => part !== null).join(":")} ${message}`;
}
