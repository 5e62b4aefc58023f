import type { Settings } from "../config.ts";
import { baseEnvironment, type Environment } from "../environment.ts";
import type { HookRunner } from "../hooks.ts";
import type { Instance } from "../instance.ts";
import type { Awaitable, Launch, LaunchTarget, Scope, WarmServer } from "../plugin.ts";
import { type Child, type ChildSpec, startChild } from "../processes/child.ts";
import { cookieVariable, openLedger } from "../processes/leftovers.ts";
import { adoptingOrphans } from "../processes/orphans.ts";
import { createWarmStarts, type WarmStarts } from "../processes/warm-starts.ts";

/** What actions and sensors have in common as processes. */
export interface Children {
  /** Starts a process and notes it, so that the next daemon can end it if this one is killed. */
  start(spec: ChildSpec): Child;
  /** The same, by a fork server where there is one that can. Rejects as `start` throws. */
  startWarm(spec: ChildSpec, server: WarmServer | null): Awaitable<Child>;
  /** The pack directories that running children need. */
  packDirs(): ReadonlySet<string>;
  /** The directories of packs' environments that running children use. */
  environments(): ReadonlySet<string>;
  filterLaunch(launch: Launch, target: LaunchTarget): Promise<Launch>;
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
  /** Fork servers end with it. */
  scope: Scope;
  /** What the configuration of a pack adds. */
  configuration: (pack: string) => Readonly<Record<string, string>>;
}): Children {
  const { settings, instance, hooks, scope } = options;
  const base = { ...baseEnvironment(options.env, settings.passEnvironment), [cookieVariable]: instance.home };
  const ledger = openLedger(instance.dataDir);
  const running = new Map<Child, ChildSpec>();
  let apiUrl = "";
  let warmStarts: WarmStarts | null | undefined;

  function noted(child: Child): Child {
    // Most children are gone before it is worth a note; what is left of those is found by the cookie.
    const note = setTimeout(() => ledger.started(child.pid), notedAfter);
    const forget = () => {
      clearTimeout(note);
      ledger.ended(child.pid);
    };
    child.exited.then(forget, forget);
    return child;
  }

  function watched(child: Child, spec: ChildSpec): Child {
    running.set(child, spec);
    const forget = () => void running.delete(child);
    child.exited.then(forget, forget);
    if (spec.component) {
      const told = { ...spec.component, pid: child.pid };
      void hooks.notify("process:started", told);
      child.exited.then(
        (exit) => hooks.notify("process:exited", { ...told, ...exit }),
        () => {}, // How it ended is not known.
      );
    }
    return noted(child);
  }

  /** Only when first asked for: from then on this process is the parent of all orphans below it. */
  function openWarmStarts(): WarmStarts | null {
    const orphans = settings.warm && adoptingOrphans(scope);
    if (!settings.warm || !orphans) return null;
    return createWarmStarts({
      start: (spec) => noted(startChild(spec)),
      environment: base,
      idle: settings.warm.idle * 1_000,
      orphans,
      scope,
      log: scope.log,
    });
  }

  return {
    start: (spec) => watched(startChild(spec), spec),
    startWarm(spec, server) {
      if (server && warmStarts === undefined) warmStarts = openWarmStarts();
      if (!server || !warmStarts) return watched(startChild(spec), spec);
      return warmStarts.start(spec, server).then((child) => watched(child, spec));
    },
    packDirs: () => new Set([...running.values()].map((spec) => spec.packDir)),
    environments: () => new Set([...running.values()].flatMap((spec) => spec.environment ?? [])),
    filterLaunch: (launch, target) => hooks.filter("process:launch", launch, target),
    environment: (pack) => ({
      ...base,
      ...options.configuration(pack),
      ATTUNE_API_URL: apiUrl,
      ATTUNE_LOG_LEVEL: settings.packs.byPack.get(pack)?.debug ? "debug" : "info",
    }),
    apiListens(url) {
      apiUrl = url;
    },
  };
}
