/**
 * What `import ... from "attune"` gives to the authors of configs, plugins, actions and sensors, as one. At run time config
 * and plugin files get `host.ts`, actions and sensors `script.ts`.
 */
export type { AttuneConfig } from "../core/config.ts";
export type * from "../core/plugin.ts";
export * from "./host.ts";
export * from "./script.ts";
