import { describeError } from "../errors.ts";
import type { Reconciler } from "../packs/reload/reconcile.ts";
import { watchPacks } from "../packs/reload/watch.ts";
import type { Logger, Scope } from "../plugin.ts";
import type { LivePlugins } from "./live-plugins.ts";

/** Milliseconds between two looks at everything, whatever the watch says. */
const rescanEvery = 60_000;

/**
 * Keeps what is served equal to the files of packs and plugins from now on. Resolves when the watch is in place. `collect` is
 * called after each look at everything.
 */
export async function followFiles(
  scope: Scope,
  options: {
    directories: readonly string[];
    reconciler: Reconciler;
    plugins: LivePlugins;
    collect: () => Promise<void>;
    log: Logger;
  },
): Promise<void> {
  const { directories, reconciler, plugins, log } = options;
  const failed = (thrown: unknown) => log.error("reloading packs failed", { error: describeError(thrown) });
  await watchPacks(scope, {
    directories,
    changed(changes) {
      plugins.packsChanged(changes.keys());
      void reconciler.reloadDirectories(changes).catch(failed);
    },
  });
  await plugins.watch();
  // What was saved while the watch was put in place.
  void reconciler.reload().catch(failed);
  scope.every(rescanEvery, async () => {
    await plugins.refresh();
    await reconciler.reload();
    await options.collect();
  });
}
