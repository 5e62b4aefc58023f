import type { Settings } from "./config.ts";
import { baseEnvironment, type Environment } from "./environment.ts";
import type { HookRunner } from "./hooks.ts";
import type { Instance } from "./instance.ts";
import type { Launch, LaunchTarget } from "./plugin.ts";
import { type Child, type ChildSpec, startChild } from "./processes/child.ts";
import { cookieVariable, openLedger } from "./processes/leftovers.ts";

/** What actions and sensors have in common as processes. */
export interface Children {
  /** Starts a process and notes it, so that the next daemon can end it if this one is killed. */
  start(spec: ChildSpec): Child;
  /** The pack directories that running children need. */
  packDirs(): ReadonlySet<string>;
  filterLaunch(launch: Launch, target: LaunchTarget): Promise<Launch | null>;
  /** The environment the children of a pack start from. */
  environment(pack: string): Record<string, string>;
  /** The address of the API is known only once it listens; no child may be started before. */
  apiListens(url: string): void;
}

/** Milliseconds. */
const notedAfter = 100;

export function createChildren(options: {
  settings: Settings;
  instance: Instance;
  hooks: HookRunner;
  env: Environment;
}): Children {
  const { settings, instance, hooks } = options;
  const base = { ...baseEnvironment(options.env, settings.passEnvironment), [cookieVariable]: instance.home };
  const ledger = openLedger(instance.dataDir);
  const running = new Map<Child, string>();
  let apiUrl = "";
  return {
    start(spec) {
      const child = startChild(spec);
      // Most children are gone before it is worth a note; what is left of those is found by the cookie.
      const note = setTimeout(() => ledger.started(child.pid), notedAfter);
      running.set(child, spec.packDir);
      void child.exited.finally(() => {
        clearTimeout(note);
        ledger.ended(child.pid);
        running.delete(child);
      });
      if (spec.component) {
        const told = { ...spec.component, pid: child.pid };
        void hooks.notify("process:started", told);
        void child.exited.then((exit) => hooks.notify("process:exited", { ...told, ...exit }));
      }
      return child;
    },
    packDirs: () => new Set(running.values()),
    filterLaunch: (launch, target) => hooks.filter("process:launch", launch, target),
    environment: (pack) => ({
      ...base,
      ATTUNE_API_URL: apiUrl,
      ATTUNE_LOG_LEVEL: settings.packs.byPack.get(pack)?.debug ? "debug" : "info",
    }),
    apiListens(url) {
      apiUrl = url;
    },
  };
}
