/** What `import ... from "attune"` gives to the authors of configs, plugins, actions and sensors. */
export type { AttuneConfig } from "../core/config.ts";
export type * from "../core/plugin.ts";
export * from "./define.ts";
export * from "./script.ts";
