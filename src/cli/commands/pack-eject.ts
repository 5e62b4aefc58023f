import path from "node:path";
import type { Command } from "commander";
import { AttuneError } from "../../core/errors.ts";
import type { Context } from "../context.ts";
import { existing, type NewFile, writeNew } from "../new-files.ts";

/** Copies the built-in pack out, to be changed: a `core` directory among the packs replaces the built-in one whole. */
export function addEject(command: Command, context: () => Context): void {
  command
    .command("eject <ref>")
    .description("copy a built-in pack into the packs directory, to change it")
    .option("--to <directory>", "where to, instead of packs/<ref>")
    .action(async (ref: string, options: { to?: string }) => {
      const shown = context();
      if (ref !== "core")
        throw new AttuneError("NOT_FOUND", `there is no built-in pack ${ref}`, { hint: "the built-in pack is core" });
      const { loadAssets } = await import("../../assets.ts");
      const target = path.resolve(shown.io.cwd, options.to ?? path.join("packs", ref));
      const files: NewFile[] = loadAssets().corePack.map((file) => ({ ...file, path: path.join(target, file.path) }));
      const [taken] = existing(files);
      if (taken !== undefined) {
        throw new AttuneError("CONFLICT", `${taken} exists already`, { hint: "nothing was written; use --to for another place" });
      }
      writeNew(files);
      await shown.done(
        { pack: ref, directory: target, files: files.length },
        `${ref} is now in ${target}; it replaces the built-in pack`,
      );
    });
}
