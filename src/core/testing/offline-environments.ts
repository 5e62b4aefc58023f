import { existsSync } from "node:fs";
import path from "node:path";
import type { Settings } from "../config.ts";
import { type EnvironmentPlace, identify, manifestsOf } from "../environments/identity.ts";
import { createMaker, groupAt } from "../environments/make.ts";
import { newWork } from "../environments/slot.ts";
import { openEnvironmentStore } from "../environments/store.ts";
import { silentLogger } from "../log.ts";
import type { ChildSpec } from "../processes/child.ts";
import { startChild } from "../processes/child.ts";

/** The packs' own environments for as long as the workbench stands. */
export interface OfflineEnvironments {
  /** Directory of the environment; null when the pack needs none. Throws RUNTIME_UNAVAILABLE when it can't be made. */
  require(place: EnvironmentPlace, signal: AbortSignal): Promise<string | null>;
}

/** One that the project's daemon has made already is used as it is; others are made below `dir`, once each. */
export function createOfflineEnvironments(options: {
  readonly settings: Settings;
  readonly dir: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Told when one is begun and when it is ready. */
  readonly installing: (line: string) => void;
}): OfflineEnvironments {
  const { settings, dir, environment, installing } = options;
  const made = new Map<string, Promise<string | null>>();
  const maker = createMaker({
    store: openEnvironmentStore(path.join(dir, "environments")),
    settings: settings.environments,
    log: { ...silentLogger, info: installing },
    start: (spec: ChildSpec) => startChild(spec),
    environment,
  });
  const ofDaemon = path.join(settings.dataDir, "environments");
  const daemons = existsSync(ofDaemon) ? openEnvironmentStore(ofDaemon) : null;

  return {
    async require(place, signal) {
      const manifests = manifestsOf(place);
      if (!manifests) return null;
      const identity = await identify(place, manifests, settings.environments);
      const group = groupAt(place);
      const key = `${group} ${identity.hash}`;
      const known = made.get(key);
      if (known) return known;
      const here = daemons?.find(group, identity.hash);
      if (here) return here.dir;
      const work = newWork(identity.hash);
      const quit = () => work.controller.abort(signal.reason);
      signal.addEventListener("abort", quit);
      const making = maker
        .make(place, identity, work)
        .then((one) => one?.dir ?? null)
        .finally(() => signal.removeEventListener("abort", quit));
      made.set(key, making);
      return making;
    },
  };
}
