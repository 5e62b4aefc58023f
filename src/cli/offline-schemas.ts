import { loadAssets } from "../assets.ts";
import { readComponent } from "../core/packs/kinds/components.ts";
import { parseDocument } from "../core/packs/yaml/document.ts";
import type { FlatSchema } from "../core/registry.ts";

/** What triggers and actions of the built-in core pack take as parameters, by ref: known wherever attune runs. */
export function offlineSchemas(): Record<"triggers" | "actions", ReadonlyMap<string, FlatSchema>> {
  return { triggers: schemasIn("trigger"), actions: schemasIn("action") };
}

function schemasIn(kind: "trigger" | "action"): ReadonlyMap<string, FlatSchema> {
  const schemas = new Map<string, FlatSchema>();
  for (const { path, content } of loadAssets().corePack) {
    if (!path.startsWith(`${kind}s/`) || !path.endsWith(".yaml")) continue;
    const { document } = parseDocument(content, path);
    const draft = document && readComponent(kind, document, "core").draft;
    if (draft?.kind === kind) schemas.set(draft.component.ref, draft.component.parameters);
  }
  return schemas;
}
