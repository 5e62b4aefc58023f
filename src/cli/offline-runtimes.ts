import { parse } from "yaml";
import { type AssetFile, loadAssets } from "../assets.ts";
import { type RuntimeNames, withPackRuntimes } from "../core/packs/runner.ts";
import type { RuntimeDefinition } from "../core/registry.ts";
import { builtinRuntimes } from "../plugins/index.ts";

/** The words a pack may use as `runner_type` wherever attune runs: the built-in runtimes and those of the core pack. */
export function offlineRuntimeNames(): RuntimeNames {
  const words = new Map<string, string>();
  const extensions = new Map<string, string>();
  for (const { name, aliases = [], extensions: endings = [] } of builtinRuntimes({ preload: "" })) {
    const ref = `core.${name}`;
    for (const word of [ref, name, ...aliases]) words.set(word.toLowerCase(), ref);
    for (const ending of endings) extensions.set(ending.toLowerCase(), ref);
  }
  return withPackRuntimes({ words, extensions }, loadAssets().corePack.filter(isRuntime).map(readRuntime));
}

function isRuntime({ path }: AssetFile): boolean {
  return /^runtimes\/[^/]+\.yaml$/.test(path);
}

/** Of our own files, so only what may be left out needs care. */
function readRuntime({ path, content }: AssetFile): RuntimeDefinition {
  const yaml = parse(new TextDecoder().decode(content)) as Pick<RuntimeDefinition, "ref" | "name"> & Partial<RuntimeDefinition>;
  return {
    pack: "core",
    description: null,
    aliases: [],
    distributions: {},
    execution_config: {},
    file: path,
    hash: "",
    ...yaml,
  };
}
