import path from "node:path";
import { AttuneError } from "../../core/errors.ts";
import type { Register } from "../groups.ts";
import { existing } from "../new-files.ts";
import { isBuiltinRuntime } from "../offline-runtimes.ts";
import { seenFrom, typingFiles, writeProject } from "../plugin-files.ts";
import { type PluginKind, pluginKinds, pluginTemplates } from "../plugin-templates.ts";

/** Adds `create`, which writes a plugin file and what an editor needs to check it. */
export const addCreate: Register = (command, context) => {
  command
    .command("create <name>")
    .description("write a new plugin, with the types an editor checks it by")
    .requiredOption("--kind <kind>", pluginKinds.join(", "))
    .option("--dir <directory>", "where to", "plugins")
    .action(async (name: string, options: { kind: string; dir: string }) => {
      const shown = context();
      const kind = readKind(options.kind);
      if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) {
        throw new AttuneError("USAGE", `${JSON.stringify(name)} can't be the name of a plugin`, {
          hint: "use up to 64 of a-z, 0-9, _ and -, a letter first",
        });
      }
      if (kind === "runtime" && isBuiltinRuntime(name)) {
        throw new AttuneError("CONFLICT", `attune has a runtime ${name} of its own, which stays in use`, {
          hint: "nothing was written; choose another name",
        });
      }
      const dir = path.resolve(shown.io.cwd, options.dir);
      const file = { path: path.join(dir, `${name}.ts`), content: pluginTemplates[kind](name), mode: 0o644 };
      const [taken] = existing([file]);
      if (taken !== undefined) {
        throw new AttuneError("CONFLICT", `${taken} exists already`, { hint: "nothing was written; choose another name" });
      }
      // Imported here, since the release build has all that comes with attune in that module.
      const { sdkTypes } = await import("../../assets.ts");
      const typing = typingFiles(dir, await sdkTypes());
      const written = seenFrom(shown.io.cwd, writeProject([file, typing.tsconfig], typing.types));
      const { made, refreshed } = written;
      const lines = (["made", "refreshed"] as const).flatMap((word) => written[word].map((one) => `${word} ${one}`));
      const shownFile = path.relative(shown.io.cwd, file.path);
      await shown.done(
        { name, kind, file: shownFile, made, refreshed },
        `${lines.join("\n")}\n\n${nextStep(kind, name, shownFile)}`,
      );
    });
};

function readKind(word: string): PluginKind {
  const kind = pluginKinds.find((known) => known === word);
  if (!kind) {
    throw new AttuneError("USAGE", `there is no kind of plugin ${JSON.stringify(word)}`, {
      hint: `use ${pluginKinds.join(", ")}`,
    });
  }
  return kind;
}

function nextStep(kind: PluginKind, name: string, file: string): string {
  switch (kind) {
    case "runtime":
      return `Next: say runner_type: ${name} in an action`;
    case "hooks":
      return "Next: attune plugin list, with the daemon running";
    case "transport":
    case "storage": {
      const word = name.replace(/[_-]+(\w?)/g, (_, letter: string) => letter.toUpperCase());
      return [
        "Next: name it in attune.config.ts, and start the daemon again",
        `  import ${word} from "./${file}";`,
        `  export default defineConfig({ ${kind}: ${word} });`,
      ].join("\n");
    }
  }
}
