import path from "node:path";
import type { Settings } from "../config.ts";
import { baseEnvironment, type Environment } from "../environment.ts";
import { createEnvironments, type Environments } from "../environments/environments.ts";
import type { EnvironmentPlace } from "../environments/identity.ts";
import { createNeeded, placeOf } from "../environments/needed.ts";
import type { Standing } from "../environments/slot.ts";
import { openEnvironmentStore } from "../environments/store.ts";
import { describeError } from "../errors.ts";
import type { JobQueue } from "../executions/queue.ts";
import { openVersions } from "../executions/store.ts";
import type { Instance } from "../instance.ts";
import type { Snapshots } from "../packs/snapshots/snapshots.ts";
import type { Logger, Scope, Storage } from "../plugin.ts";
import { cookieVariable } from "../processes/leftovers.ts";
import { type Action, findAction, packOf, type Registry, type Sensor, snapshotOf } from "../registry.ts";
import type { Usable } from "../runtimes/runtimes.ts";
import type { Children } from "./children.ts";
import { createHeld, type Held } from "./held.ts";

/** The packs' own environments, tied to what is served. */
export interface PackEnvironments extends Pick<Environments, "list" | "rebuild" | "remove"> {
  /** Brings them to what the registry needs. */
  serve(registry: Registry): void;
  /** Lets the executions go that need not wait any more, from now on; resolves when those of an earlier start have gone. */
  start(): Promise<void>;
  readonly held: Held;
  /** How that of a served component stands. */
  standing(component: Action | Sensor): Standing;
  /** As of {@link Environments.require}, for the version of an action that is about to run. */
  require(action: Action, using: Usable & { readonly available: true }, signal: AbortSignal): Promise<string | null> | null;
  /**
   * Removes those that nothing needs: no served pack, no running process, no execution still to run. And lets go what still
   * waits although it need not: nothing may wait for good.
   */
  collect(): Promise<void>;
}

export function createPackEnvironments(options: {
  readonly settings: Settings;
  readonly instance: Instance;
  readonly env: Environment;
  readonly scope: Scope;
  readonly registry: () => Registry;
  readonly snapshots: Snapshots;
  readonly storage: Storage;
  readonly queue: JobQueue;
  readonly children: Children;
  readonly expireInSeconds: (action: Action) => number;
  /** Some environment stands differently than before. */
  readonly changed: () => void;
  /** There are jobs. */
  readonly wake: () => void;
  readonly log: Logger;
}): PackEnvironments {
  const { settings, instance, registry, snapshots, scope, children, log } = options;
  const root = path.join(instance.dataDir, "environments");
  // Installers keep caches in the home directory, which a service may not have.
  const installers = {
    HOME: path.join(root, ".home"),
    ...baseEnvironment(options.env, settings.passEnvironment),
    [cookieVariable]: instance.home,
  };
  const needed = createNeeded();
  let started = false;
  let looking = Promise.resolve();
  const environments = createEnvironments({
    store: openEnvironmentStore(root),
    settings: settings.environments,
    environment: installers,
    start: children.start,
    inUse: children.environments,
    changed() {
      options.changed();
      if (started) held.changed();
    },
    log,
  });
  scope.defer(() => environments.stop());

  /** Versions of packs that are not served any more, but that executions are still to run with. */
  async function olderVersions(): Promise<EnvironmentPlace[]> {
    const current = registry();
    return (await openVersions(options.storage)).flatMap(({ action: ref, snapshot }) => {
      const dir = snapshots.find(snapshot);
      const action = current.packs.get(packOf(ref))?.actions.get(ref);
      return (dir && action && placeOf(current, action, dir)) || [];
    });
  }

  function standing(component: Action | Sensor): Standing {
    const current = registry();
    const pack = current.packs.get(component.pack);
    const place = pack && placeOf(current, component, snapshotOf(pack, component.ref)?.dir ?? pack.dir);
    return place ? environments.standing(place) : { status: "ready", dir: null };
  }

  const held = createHeld({
    ...options,
    mustWait: (action) => standing(action).status === "making",
    action: (ref) => findAction(registry(), ref),
  });

  return {
    held,
    standing,
    list: environments.list,
    rebuild: environments.rebuild,
    remove: environments.remove,
    serve(next) {
      looking = environments
        .want(needed(next))
        .catch((thrown) => log.error("cannot find out which packages packs need", { error: describeError(thrown) }));
    },
    async start() {
      started = true;
      await looking;
      await held.release();
    },
    require: (action, { runtime, interpreter }, signal) =>
      runtime.environment ? environments.require({ pack: action.pack, packDir: action.dir, runtime, interpreter }, signal) : null,
    async collect() {
      await environments.collect(await olderVersions());
      await held.release();
    },
  };
}
