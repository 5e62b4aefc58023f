import { type FSWatcher, watch } from "chokidar";
import { toError } from "../errors.ts";
import type { Scope } from "../plugin.ts";

/** Milliseconds without a change before files are looked at: most are written in place. */
const quietTime = 40;

/** Watches single files, which may change over time. Nothing is watched while there are none. */
export interface FileWatch {
  set(files: ReadonlySet<string>): void;
}

/** Calls `changed` after any of the files was written, put in place or taken away; ends with the scope. */
export function watchFiles(scope: Scope, changed: () => void): FileWatch {
  let watcher: FSWatcher | undefined;
  let watched: ReadonlySet<string> = new Set();
  let timer: ReturnType<typeof setTimeout> | undefined;
  scope.defer(async () => {
    clearTimeout(timer);
    await watcher?.close();
  });

  function start(): FSWatcher {
    const started = watch([], { ignoreInitial: true });
    started.on("all", () => {
      clearTimeout(timer);
      timer = setTimeout(changed, quietTime);
    });
    started.on("error", (error) => scope.log.warn("watching plugins", { error: toError(error).message }));
    return started;
  }

  return {
    set(files) {
      const added = [...files].filter((file) => !watched.has(file));
      const gone = [...watched].filter((file) => !files.has(file));
      watched = files;
      if (added.length > 0) {
        watcher ??= start();
        watcher.add(added);
      }
      if (gone.length > 0) watcher?.unwatch(gone);
    },
  };
}
