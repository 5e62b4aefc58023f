/** What `import ... from "attune"` gives at run time to config and plugin files: they run inside the daemon. */
export { AttuneError } from "../core/errors.ts";
export { local, nats, postgres } from "../plugins/index.ts";
export * from "./define.ts";
