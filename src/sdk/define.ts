import type { AttuneConfig } from "../core/config.ts";
import type { Plugin, RuntimePlugin } from "../core/plugin.ts";

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

/** Types the default export of a plugin file of any kind. Returns its argument. */
export function definePlugin<P extends Plugin>(plugin: P): P {
  return plugin;
}
