import { existsSync } from "node:fs";
import path from "node:path";
import { watch } from "chokidar";
import type { Scope } from "../plugin.ts";

export interface WatchOptions {
  /** Directories that hold packs; they may appear later. */
  readonly directories: readonly string[];
  /** Milliseconds without a change before the dirty packs are reported; a stream of changes is cut after ten times as long. */
  readonly quiet: number;
  /** Names of the pack directories that changed, as absolute paths. */
  readonly changed: (packDirs: ReadonlySet<string>) => void;
}

const ignored = /(^|[/\\])(node_modules|\.git|__pycache__|4913)([/\\]|$)|~$|\.sw[a-z]$/;

/**
 * Watches pack directories and says which packs have changed, never what: the reader looks for itself. Resolves when the
 * watch is in place; ends with the scope.
 */
export async function watchPacks(scope: Scope, options: WatchOptions): Promise<void> {
  const dirty = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let firstDirty = 0;

  function report(): void {
    const packs = new Set(dirty);
    dirty.clear();
    timer = undefined;
    options.changed(packs);
  }

  function mark(file: string): void {
    for (const root of options.directories) {
      const inside = path.relative(root, file);
      if (inside === "" || inside.startsWith("..")) continue;
      dirty.add(path.join(root, inside.split(path.sep)[0] ?? ""));
    }
    if (dirty.size === 0) return;
    const now = performance.now();
    if (timer === undefined) firstDirty = now;
    clearTimeout(timer);
    timer = setTimeout(report, Math.min(options.quiet, Math.max(0, firstDirty + 10 * options.quiet - now)));
  }

  // A directory that does not exist yet is found through its parent.
  const roots = options.directories.map((dir) => (existsSync(dir) ? dir : path.dirname(dir)));
  const isInteresting = (file: string) =>
    options.directories.some((dir) => file === dir || file.startsWith(dir + path.sep) || dir.startsWith(file + path.sep));
  const watcher = watch(roots, {
    ignoreInitial: true,
    ignored: (file) => ignored.test(path.relative(path.dirname(roots[0] ?? "/"), file)) || !isInteresting(file),
  });
  scope.defer(async () => {
    clearTimeout(timer);
    await watcher.close();
  });
  const ready = Promise.withResolvers<void>();
  watcher.on("all", (_event, file) => mark(file));
  watcher.on("error", (error) => scope.log.warn("watching packs", { error: String(error) }));
  watcher.once("ready", () => ready.resolve());
  await ready.promise;
}
