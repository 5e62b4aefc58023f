import type { RuntimePlugin } from "../core/plugin.ts";
import { bun } from "./runtimes/bun.ts";
import { native } from "./runtimes/native.ts";
import { python } from "./runtimes/python.ts";
import { shell } from "./runtimes/shell.ts";

export { postgres } from "./storage/postgres/index.ts";
export { local } from "./transport/local.ts";
export { nats } from "./transport/nats.ts";

/**
 * The built-in runtimes: this is the only list of them. Their refs are `core.<name>`. `preload` and `pythonServer` are files for
 * their children; without the second, Python has no warm starts.
 */
export function builtinRuntimes(options: { preload: string; pythonServer?: string }): readonly RuntimePlugin[] {
  return [shell, python(options.pythonServer), bun(options.preload), native];
}
