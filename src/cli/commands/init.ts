import path from "node:path";
import type { Register } from "../groups.ts";
import { projectFiles } from "../init-files.ts";
import { existing, writeNew } from "../new-files.ts";

export const initCommand: Register = (command, context) => {
  command.argument("[directory]", "where, instead of here").action(async (directory: string | undefined) => {
    const shown = context();
    const root = path.resolve(shown.io.cwd, directory ?? ".");
    const files = projectFiles.map((file) => ({ ...file, path: path.join(root, file.path) }));
    const kept = existing(files);
    const made = files.filter((file) => !kept.includes(file.path));
    writeNew(made);
    const relative = (file: string) => path.relative(shown.io.cwd, file);
    const result = { directory: root, made: made.map((file) => relative(file.path)), kept: kept.map(relative) };
    const lines = [...result.made.map((file) => `made ${file}`), ...result.kept.map((file) => `kept ${file}`)];
    const go = root === shown.io.cwd ? "attune daemon" : `cd ${path.relative(shown.io.cwd, root)} && attune daemon`;
    await shown.done(result, `${lines.join("\n")}\n\nNext: ${go}`);
  });
};
