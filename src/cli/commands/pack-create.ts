import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { AttuneError, nearest } from "../../core/errors.ts";
import { isPackRef } from "../../core/paths.ts";
import type { Context } from "../context.ts";
import { writeNew } from "../new-files.ts";
import type { Template } from "../pack-templates/template.ts";

/** Writes a pack that works: an action, a trigger, a sensor, a rule, tests. */
export function addCreate(command: Command, context: () => Context): void {
  command
    .command("create <ref>")
    .description("write a new pack that works, with tests")
    .option("--runtime <name>", "what its scripts are written in: shell, python, typescript, nodejs or native", "shell")
    .option("--dir <directory>", "where the pack's directory is made", "packs")
    .action(async (ref: string, options: { runtime: string; dir: string }) => {
      const shown = context();
      checkRef(ref);
      const template = await templateFor(options.runtime);
      const { packFiles } = await import("../pack-templates/index.ts");
      const target = path.resolve(shown.io.cwd, options.dir, ref);
      const files = packFiles(ref, template);
      place(target, files);
      const relative = path.relative(shown.io.cwd, target);
      const made = Object.keys(files).map((file) => path.join(relative, file));
      const lines = made.map((file) => `made ${file}`).join("\n");
      await shown.done({ pack: ref, directory: target, files: made }, `${lines}\n\nNext: attune pack test ${relative}`);
    });
}

function checkRef(ref: string): void {
  if (!isPackRef(ref)) {
    throw new AttuneError("USAGE", `${ref} can't be the name of a pack`, {
      hint: "use up to 64 of a-z, 0-9, _ and -, a letter first",
    });
  }
  if (ref === "core") {
    throw new AttuneError("USAGE", "a new pack can't be called core, which is the built-in one", {
      hint: "attune pack eject core copies that one out, to change it",
    });
  }
}

async function templateFor(word: string): Promise<Template> {
  const { templates } = await import("../pack-templates/index.ts");
  const { offlineRuntimeNames } = await import("../offline-runtimes.ts");
  const { words } = offlineRuntimeNames();
  const template = templates.get(words.get(word.toLowerCase()) ?? "");
  if (template) return template;
  const known = [...templates.values()].map(({ runtime }) => runtime);
  const near = words.has(word.toLowerCase()) ? undefined : nearest(word, known);
  throw new AttuneError("USAGE", `there is no new pack to be had in ${word}`, {
    hint: near ? `did you mean ${near}?` : `choose one of ${known.join(", ")}, and change its files`,
  });
}

/** All at once by a rename, so that a daemon never sees half of a pack. */
function place(target: string, files: Readonly<Record<string, string>>): void {
  const taken = () =>
    new AttuneError("CONFLICT", `${target} exists already`, { hint: "nothing was written; choose another name" });
  if (existsSync(target)) throw taken();
  const parent = path.dirname(target);
  mkdirSync(parent, { recursive: true });
  const staged = mkdtempSync(path.join(parent, ".new-"));
  try {
    const inner = path.join(staged, "pack");
    writeNew(
      Object.entries(files).map(([file, content]) => ({
        path: path.join(inner, file),
        content,
        mode: content.startsWith("#!") ? 0o755 : 0o644,
      })),
    );
    renameSync(inner, target);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR" ? taken() : thrown;
  } finally {
    rmSync(staged, { recursive: true, force: true });
  }
}
