import { type AssetFile, loadAssets } from "../assets.ts";
import { readComponent } from "../core/packs/kinds/components.ts";
import { type RuntimeNames, runtimeNamesOf, withPackRuntimes } from "../core/packs/runner.ts";
import { parseDocument } from "../core/packs/yaml/document.ts";
import type { RuntimeDefinition } from "../core/registry.ts";
import { builtinRuntimes } from "../plugins/index.ts";

/** The words a pack may use as `runner_type` wherever attune runs: the built-in runtimes and those of the core pack. */
export function offlineRuntimeNames(): RuntimeNames {
  return withPackRuntimes(runtimeNamesOf(builtin()), loadAssets().corePack.flatMap(definitionIn));
}

/** Whether a runtime of attune's own has the name, which no plugin can take from it. */
export function isBuiltinRuntime(word: string): boolean {
  return builtin().some(({ name, aliases }) => name === word || aliases.includes(word));
}

function builtin() {
  return builtinRuntimes({ preload: "" }).map(({ name, aliases = [], extensions = [] }) => ({
    ref: `core.${name}`,
    name,
    aliases,
    extensions,
  }));
}

function definitionIn({ path, content }: AssetFile): RuntimeDefinition[] {
  if (!/^runtimes\/[^/]+\.yaml$/.test(path)) return [];
  const { document } = parseDocument(content, path);
  const draft = document && readComponent("runtime", document, "core").draft;
  return draft?.kind === "runtime" ? [draft.component] : [];
}
