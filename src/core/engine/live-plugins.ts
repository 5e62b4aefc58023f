import { existsSync } from "node:fs";
import path from "node:path";
import type { Settings } from "../config.ts";
import type { Environment } from "../environment.ts";
import type { HookRunner } from "../hooks.ts";
import type { Instance } from "../instance.ts";
import { findPacks } from "../packs/find.ts";
import { watchPacks } from "../packs/reload/watch.ts";
import type { Logger, Plugin, RuntimePlugin, Scope } from "../plugin.ts";
import { openPlugins, type Plugins } from "../plugins/manager.ts";
import type { OnUncaught } from "../plugins/uncaught.ts";
import { watchFiles } from "../plugins/watch.ts";
import type { Watchdog } from "../plugins/watchdog.ts";
import { startChild } from "../processes/child.ts";
import { cookieVariable } from "../processes/leftovers.ts";
import { selfCommand } from "../self.ts";
import { definedOnly } from "../values.ts";

export interface LivePlugins extends Plugins {
  /** Follows the files of the plugins from now on. Resolves when the watch is in place. */
  watch(): Promise<void>;
  /** The packs in these directories changed: one may bring runtimes. */
  packsChanged(dirs: Iterable<string>): void;
}

/** The plugins of the configuration and of the project, kept as their files say. Mistakes in them do not make it reject. */
export async function startPlugins(options: {
  settings: Settings;
  instance: Instance;
  builtin: readonly RuntimePlugin[];
  /** The storage and the transport. */
  opened: readonly Plugin[];
  hooks: HookRunner;
  watchdog: Watchdog;
  uncaught: OnUncaught;
  scope: Scope;
  log: Logger;
  env: Environment;
}): Promise<LivePlugins> {
  const { settings, instance, scope } = options;
  const { directories } = settings.plugins;
  const plugins = await openPlugins({
    ...options,
    ...settings.plugins,
    projectDir: settings.projectDir,
    configFile: settings.configFile,
    dataDir: instance.dataDir,
    packs: () => findPacks(settings.packs.directories),
    trial: {
      command: selfCommand(),
      start: startChild,
      env: { ...definedOnly(options.env), [cookieVariable]: instance.home },
      cwd: process.cwd(),
    },
  });
  const others = watchFiles(scope, () => void refresh());

  async function refresh(): Promise<void> {
    await plugins.refresh();
    followInputs();
  }

  /** Helpers of plugins may lie anywhere. */
  function followInputs(): void {
    const outside = [...plugins.inputs].filter((file) => !directories.some((dir) => file.startsWith(dir + path.sep)));
    others.set(new Set(outside));
  }

  return {
    get runtimes() {
      return plugins.runtimes;
    },
    get inputs() {
      return plugins.inputs;
    },
    serve: plugins.serve,
    states: plugins.states,
    probe: plugins.probe,
    refresh,
    async watch() {
      followInputs();
      await watchPacks(scope, { directories, changed: () => void refresh() });
      // What was saved while the watch was put in place.
      void refresh();
    },
    packsChanged(dirs) {
      const inputs = [...plugins.inputs];
      const concerns = (dir: string) =>
        existsSync(path.join(dir, "runtimes")) || inputs.some((file) => file.startsWith(dir + path.sep));
      if ([...dirs].some(concerns)) void refresh();
    },
  };
}
