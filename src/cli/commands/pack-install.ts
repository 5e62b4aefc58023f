import type { Command } from "commander";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import type { InstallOptions } from "../install-packs.ts";
import { collect } from "../options.ts";

/** Adds `install`, `update` and `uninstall`. They work on this machine's files, with and without a daemon. */
export function addInstall(command: Command, context: () => Context, setExitCode: (code: number) => void): void {
  command
    .command("install <source>")
    .description("install a pack from a directory, a .tar.gz or .zip (path or URL), a git repository, or by name from an index")
    .option("--ref <name>", "branch, tag or commit of a git repository")
    .option("--sha256 <hex>", "digest the archive must have")
    .option("--dir <directory>", "the directory of packs to install into")
    .option("--index <place>", "path or URL of an index (ATTUNE_PACK_INDEX)", collect)
    .option("--force", "replace a pack with the same ref")
    .action(async (source: string, options: InstallOptions) => {
      const { install } = await import("../install-packs.ts");
      await install(context(), source, options);
    });
  command
    .command("update [ref]")
    .description("fetch one installed pack, or all, again from where it came")
    .option("--ref <name>", "another branch, tag or commit of the git repository")
    .option("--dir <directory>", "the directory of packs")
    .option("--index <place>", "path or URL of an index, instead of the one it came from", collect)
    .option("--force", "give up edits made since it was installed")
    .action(async (ref: string | undefined, options: InstallOptions) => {
      const { update } = await import("../install-packs.ts");
      if (!(await update(context(), ref, options))) setExitCode(exit.failed);
    });
  command
    .command("uninstall <ref>")
    .description("remove an installed pack")
    .option("--dir <directory>", "the directory of packs")
    .option("--force", "also one that was edited, or was not installed by attune")
    .action(async (ref: string, options: Pick<InstallOptions, "dir" | "force">) => {
      const { uninstall } = await import("../install-packs.ts");
      await uninstall(context(), ref, options);
    });
}
