import { builtinRuntimes } from "../../plugins/index.ts";
import type { Settings } from "../config.ts";
import type { Environment } from "../environment.ts";
import { createHooks, type HookRunner } from "../hooks.ts";
import { findPacks } from "../packs/find.ts";
import type { Logger, Scope } from "../plugin.ts";
import { openPlugins } from "../plugins/manager.ts";
import { createWatchdog } from "../plugins/watchdog.ts";
import { startChild } from "../processes/child.ts";
import type { Runtime } from "../registry.ts";
import { selfCommand } from "../self.ts";
import { definedOnly } from "../values.ts";

/** The project's plugins as they are now, until the scope ends. Mistakes in them go to the log. */
export async function openOfflinePlugins(options: {
  readonly settings: Settings;
  readonly dir: string;
  readonly preload: string;
  readonly env: Environment;
  readonly scope: Scope;
  readonly log: Logger;
}): Promise<{ readonly runtimes: readonly Runtime[]; readonly hooks: HookRunner }> {
  const { settings, dir, preload, scope, log } = options;
  const hooks = createHooks(log);
  const plugins = await openPlugins({
    builtin: builtinRuntimes({ preload }),
    ...settings.plugins,
    projectDir: settings.projectDir,
    dataDir: dir,
    configFile: settings.configFile,
    packs: () => findPacks(settings.packs.directories),
    opened: [],
    trial: { command: selfCommand(), start: startChild, env: definedOnly(options.env), cwd: settings.projectDir },
    hooks,
    watchdog: createWatchdog(scope),
    // They are looked at once.
    settling: 0,
    scope,
    log,
  });
  return { runtimes: plugins.runtimes, hooks };
}
