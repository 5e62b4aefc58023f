import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { AttuneError, toError } from "../errors.ts";
import { resolveInsideSync } from "../paths.ts";
import type { Problem } from "../plugin.ts";
import type { ComponentKind } from "./kinds/fields.ts";
import { mistake } from "./problems.ts";
import type { BrokenFile } from "./scan.ts";
import { MAX_FILES } from "./tree.ts";

/** Where each kind of component stands in a pack. Runtimes come first, because actions and sensors name them. */
export const FOLDERS = {
  runtime: "runtimes",
  trigger: "triggers",
  action: "actions",
  rule: "rules",
  sensor: "sensors",
} as const satisfies { readonly [kind in ComponentKind]: string };

export interface ComponentFile {
  readonly kind: ComponentKind;
  /** Relative to the pack. */
  readonly file: string;
}

/** The YAML files directly in a pack's component folders, sorted by name within each. */
export function listComponentFiles(root: string): {
  readonly files: readonly ComponentFile[];
  readonly broken: readonly BrokenFile[];
} {
  const files: ComponentFile[] = [];
  const broken: BrokenFile[] = [];
  for (const [kind, folder] of Object.entries(FOLDERS) as [ComponentKind, string][]) {
    try {
      const names = readdirSync(resolveInsideSync(root, folder));
      if (names.length > MAX_FILES) {
        throw new AttuneError("PACK_INVALID", `more than ${MAX_FILES} files in one folder`, { hint: "split the pack" });
      }
      const yaml = names.filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
      files.push(...yaml.map((name) => ({ kind, file: `${folder}/${name}` })));
    } catch (error) {
      if (!entryAt(root, folder)) continue;
      broken.push({ file: folder, kind, ref: null, problems: [unreadable(folder, error)] });
    }
  }
  return { files, broken };
}

/** What kept a file from being read, as a problem of that file. */
export function unreadable(file: string, thrown: unknown): Problem {
  const error = toError(thrown);
  return mistake(file, null, `can't be read: ${error.message}`, error instanceof AttuneError ? (error.hint ?? null) : null);
}

export function isLink(root: string, relative: string): boolean {
  return entryAt(root, relative)?.isSymbolicLink() ?? false;
}

/** What stands at the path itself, links not followed; undefined when nothing does. */
function entryAt(root: string, relative: string): Stats | undefined {
  try {
    return lstatSync(join(root, relative));
  } catch {
    // Also when a parent is no directory: there is nothing to report about what can't be there.
    return undefined;
  }
}
