import path from "node:path";
import type { Register } from "../groups.ts";
import { projectFiles } from "../init-files.ts";
import { seenFrom, typingFiles, writeProject } from "../plugin-files.ts";

export const initCommand: Register = (command, context) => {
  command.argument("[directory]", "where, instead of here").action(async (directory: string | undefined) => {
    const shown = context();
    const root = path.resolve(shown.io.cwd, directory ?? ".");
    const { sdkTypes } = await import("../../assets.ts");
    const typing = typingFiles(path.join(root, "plugins"), await sdkTypes());
    const files = [...projectFiles.map((file) => ({ ...file, path: path.join(root, file.path) })), typing.tsconfig];
    const written = seenFrom(shown.io.cwd, writeProject(files, typing.types));
    const result = { directory: root, ...written };
    const lines = (["made", "refreshed", "kept"] as const).flatMap((word) => written[word].map((file) => `${word} ${file}`));
    const go = root === shown.io.cwd ? "attune daemon" : `cd ${path.relative(shown.io.cwd, root)} && attune daemon`;
    await shown.done(result, `${lines.join("\n")}\n\nNext: ${go}`);
  });
};
