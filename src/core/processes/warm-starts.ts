import { toError } from "../errors.ts";
import type { Logger, Scope, WarmServer } from "../plugin.ts";
import { type Child, type ChildSpec, startChild } from "./child.ts";
import type { Orphans } from "./orphans.ts";
import { type ForkServer, startForkServer } from "./warm-server.ts";

/** Starts scripts by fork servers where there is one that can. */
export interface WarmStarts {
  /**
   * Starts what the spec says by the server, or as any other process while the server is not up yet, can't do the same or
   * dies. Rejects as `startChild` throws.
   */
  start(spec: ChildSpec, server: WarmServer): Promise<Child>;
}

/** When a server is given up. Times in milliseconds. */
export interface WarmPolicy {
  /** One that takes longer to start a process is stuck, and killed. */
  readonly startLimit: number;
  /** One that died so often `within` that time is left alone for the time of `rest`. */
  readonly deaths: number;
  readonly within: number;
  readonly rest: number;
}
const usualPolicy: WarmPolicy = { startLimit: 10_000, deaths: 3, within: 60_000, rest: 60_000 };

const longestSweep = 10_000;
/** Milliseconds that servers get to end by themselves. */
const grace = 2_000;

interface Place {
  server: ForkServer | null;
  /** When servers of this kind died, in terms of `performance.now()`; the oldest first. */
  deaths: readonly number[];
  restUntil: number;
}

/** `idle` in milliseconds: how long a server without work is kept. The servers end with the scope. */
export function createWarmStarts(options: {
  readonly start: (spec: ChildSpec) => Child;
  readonly environment: Readonly<Record<string, string>>;
  readonly idle: number;
  readonly orphans: Orphans;
  readonly scope: Scope;
  readonly log: Logger;
  readonly policy?: WarmPolicy;
}): WarmStarts {
  const { scope, log, idle, policy = usualPolicy } = options;
  const places = new Map<string, Place>();
  const servers = new Set<ForkServer>();

  function open(place: Place, wanted: WarmServer): void {
    const began = performance.now();
    if (began < place.restUntil || scope.signal.aborted) return;
    try {
      const server = startForkServer(wanted, { ...options, startLimit: policy.startLimit });
      place.server = server;
      servers.add(server);
      void server.gone.then(({ planned }) => {
        servers.delete(server);
        if (place.server === server) place.server = null;
        if (!planned) noteDeath(place, wanted);
      });
    } catch (thrown) {
      log.warn("a fork server can't be started", { server: wanted.argv[0], error: toError(thrown).message });
      noteDeath(place, wanted);
    }
  }

  function noteDeath(place: Place, { argv }: WarmServer): void {
    const now = performance.now();
    place.deaths = [...place.deaths.filter((death) => now - death < policy.within), now];
    if (place.deaths.length < policy.deaths) {
      log.info("a fork server died; what it had started goes on", { server: argv[0] });
      return;
    }
    place.deaths = [];
    place.restUntil = now + policy.rest;
    const seconds = Math.round(policy.rest / 1_000);
    log.warn(`a fork server died ${policy.deaths} times: its scripts start cold for ${seconds} s`, { server: argv[0] });
  }

  scope.every(Math.min(idle, longestSweep), () => {
    const now = performance.now();
    for (const [key, place] of places) {
      const { server } = place;
      if (server && now - server.lastUsed >= idle && server.running === 0) server.retire();
      if (server?.over) place.server = null;
      if (!place.server && now >= place.restUntil && place.deaths.every((death) => now - death >= policy.within))
        places.delete(key);
    }
  });

  scope.defer(async () => {
    for (const server of servers) server.retire();
    const timer = setTimeout(() => {
      for (const server of servers) server.kill();
    }, grace);
    await Promise.all([...servers].map((server) => server.gone));
    clearTimeout(timer);
  });

  return {
    async start(spec, wanted) {
      const key = JSON.stringify([wanted.argv, wanted.env]);
      let place = places.get(key);
      if (!place) {
        place = { server: null, deaths: [], restUntil: 0 };
        places.set(key, place);
      }
      if (!place.server || place.server.over) open(place, wanted);
      return (await place.server?.start(spec)) ?? startChild(spec);
    },
  };
}
