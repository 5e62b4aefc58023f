import { readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { AttuneError, nearest } from "../errors.ts";
import type { FileStates } from "./files.ts";

export type EntryPoint =
  | { readonly kind: "file"; readonly path: string; readonly relative: string }
  | { readonly kind: "inline"; readonly text: string }
  | { readonly kind: "refused"; readonly message: string; readonly hint: string };

type Resolver = Pick<FileStates, "resolve">;

const SHELL = "core.shell";
const NATIVE = "core.native";

/**
 * Finds the script of a component: a file below `folder`, also when it is written with the folder in front. Text with
 * white space that names no file is a shell action's inline code.
 */
export function locateEntryPoint(
  files: Resolver,
  folder: "actions" | "sensors",
  entryPoint: string,
  runtime: string,
): EntryPoint {
  if (entryPoint.trim() === "") return refused("`entry_point` is empty", `name a file in ${folder}/`);
  const inline = folder === "actions" && runtime === SHELL && /\s/.test(entryPoint);
  if (entryPoint.includes("://") && !inline)
    return refused("`entry_point` is a URL", `put the file into ${folder}/ and write its name`);
  let refusal: AttuneError | null = null;
  for (const relative of candidates(folder, entryPoint)) {
    try {
      const found = acceptable(files.resolve(relative), relative, runtime);
      if (found) return found;
    } catch (error) {
      if (!(error instanceof AttuneError)) throw error;
      if (error.code !== "NOT_FOUND") refusal = error;
    }
  }
  if (inline) return { kind: "inline", text: entryPoint };
  if (refusal) return refused(`\`entry_point\` ${refusal.message}`, `the file must lie in the pack's ${folder}/ directory`);
  return refused(
    `\`entry_point\` names no file: there is no ${folder}/${stripFolder(folder, entryPoint)}`,
    missingHint(files, folder, entryPoint),
  );
}

function candidates(folder: string, entryPoint: string): string[] {
  const inFolder = entryPoint.startsWith("/") ? entryPoint : `${folder}/${entryPoint}`;
  return entryPoint.startsWith(`${folder}/`) ? [entryPoint, inFolder] : [inFolder];
}

function stripFolder(folder: string, entryPoint: string): string {
  return entryPoint.startsWith(`${folder}/`) ? entryPoint.slice(folder.length + 1) : entryPoint;
}

/** undefined when the file vanished meanwhile. */
function acceptable(path: string, relative: string, runtime: string): EntryPoint | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) return undefined;
  if (!stats.isFile()) return refused(`\`entry_point\` ${relative} is not a regular file`, "name the script itself");
  if (runtime === NATIVE && (stats.mode & 0o111) === 0)
    return refused(`${relative} is not executable`, `run: chmod +x ${relative}`);
  return { kind: "file", path, relative };
}

function missingHint(files: Resolver, folder: string, entryPoint: string): string {
  const name = stripFolder(folder, entryPoint);
  const below = dirname(name) === "." ? folder : `${folder}/${dirname(name)}`;
  const near = nearest(name.slice(name.lastIndexOf("/") + 1), scriptsIn(files, below));
  return near ? `did you mean ${near}?` : `create ${folder}/${name}, or name a file that exists`;
}

function scriptsIn(files: Resolver, directory: string): string[] {
  try {
    return readdirSync(files.resolve(directory)).filter((name) => !/\.ya?ml$/.test(name));
  } catch {
    // Only a hint hangs on it, and the missing directory is part of the problem being reported.
    return [];
  }
}

function refused(message: string, hint: string): EntryPoint {
  return { kind: "refused", message, hint };
}
