import type { AttuneConfig } from "../core/config.ts";
import type { HooksPlugin, RuntimePlugin, StoragePlugin, TransportPlugin } from "../core/plugin.ts";

/** Types the default export of `attune.config.ts`. Returns its argument. */
export function defineConfig(config: AttuneConfig): AttuneConfig {
  return config;
}

/**
 * Types the default export of a plugin file that adds a runtime:
 * `defineRuntime({ name: "awk", api: 1, extensions: [".awk"], launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }) })`.
 */
export function defineRuntime(runtime: Omit<RuntimePlugin, "kind">): RuntimePlugin {
  return { ...runtime, kind: "runtime" };
}

interface PluginOfKind {
  runtime: RuntimePlugin;
  storage: StoragePlugin;
  transport: TransportPlugin;
  hooks: HooksPlugin;
}

/**
 * Types the default export of a plugin file of any kind. Returns its argument.
 *
 * The type comes from `kind` alone and not from the whole object, since then a member or hook that is not known is an error.
 */
export function definePlugin<Kind extends keyof PluginOfKind>(plugin: PluginOfKind[Kind] & { kind: Kind }): PluginOfKind[Kind] {
  return plugin;
}
