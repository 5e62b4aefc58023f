import { AttuneError, describeError, nearest, toError } from "../errors.ts";
import { type EnvironmentPlace, type Identity, identify, manifestsOf } from "./identity.ts";
import { createMaker, groupAt, type MakerOptions, nameAt } from "./make.ts";
import { keyOf } from "./needed.ts";
import { type EnvironmentView, newSlot, newWork, type Slot, type Standing, standingOf, viewOf } from "./slot.ts";
import type { Made } from "./store.ts";
import { unlessAborted } from "./wait.ts";

export interface EnvironmentsOptions extends MakerOptions {
  /** Directories of environments that running processes use. */
  readonly inUse: () => ReadonlySet<string>;
  /** Some environment stands differently than before. */
  readonly changed: () => void;
}

/** The packs' own environments: made when their manifests ask for it, and replaced only by one that is complete. */
export interface Environments {
  /** What the served packs need from now on. Resolves when it is known what has to be made; the making goes on. */
  want(places: readonly EnvironmentPlace[]): Promise<void>;
  /** One that was removed is made again. */
  standing(place: EnvironmentPlace): Standing;
  /**
   * Directory of the environment that a version of a pack runs in: its own when that is there, else the one its pack uses now;
   * null when it needs none. Waits while the first is being made. Throws RUNTIME_UNAVAILABLE when there is none.
   */
  require(place: EnvironmentPlace, signal: AbortSignal): Promise<string | null>;
  list(): EnvironmentView[];
  /** Makes those of a pack anew; the present ones stay in use meanwhile. Throws NOT_FOUND. */
  rebuild(pack: string): void;
  /** Removes those of a pack, those in use as soon as nothing uses them any more. Throws NOT_FOUND. */
  remove(pack: string): Promise<void>;
  /** Removes what nothing needs. `older`: further versions of packs that are still to run. */
  collect(older: readonly EnvironmentPlace[]): Promise<void>;
  /** Ends the work under way. */
  stop(): Promise<void>;
}

/** Milliseconds within which a process has started to use the directory it was given. */
const handover = 60_000;

export function createEnvironments(options: EnvironmentsOptions): Environments {
  const { store, settings, log } = options;
  const slots = new Map<string, Slot>();
  const maker = createMaker(options);
  const given = new Map<string, number>();
  const works = new Set<Promise<void>>();
  let collecting: Promise<void> = Promise.resolve();
  let stopped = false;

  const isServed = (slot: Slot) => slots.get(keyOf(slot.place)) === slot;

  function changed(slot: Slot): void {
    slot.change.resolve();
    slot.change = Promise.withResolvers();
    if (!stopped) options.changed();
  }

  async function look(slot: Slot): Promise<void> {
    const { place } = slot;
    const manifests = manifestsOf(place);
    let identity: Identity | null = null;
    try {
      if (manifests) identity = await identify(place, manifests, settings);
    } catch (thrown) {
      if (slot.place !== place || !isServed(slot)) return;
      quit(slot);
      slot.identity = undefined;
      fail(slot, thrown, []);
      return;
    }
    if (slot.place !== place || !isServed(slot)) return;
    const isNews = slot.identity === undefined || slot.identity?.hash !== identity?.hash;
    slot.identity = identity;
    if (slot.work && slot.work.hash !== identity?.hash) quit(slot);
    if (identity === null) slot.used = null;
    if (!isNews) return;
    slot.failure = null;
    const here = identity && store.find(groupAt(place), identity.hash);
    if (here) slot.used = here;
    else if (identity) {
      // After a start: the one before stays in use until this one is ready.
      slot.used ??= store.all(groupAt(place))[0] ?? null;
      begin(slot, identity);
    }
    changed(slot);
  }

  function fail(slot: Slot, thrown: unknown, output: readonly string[]): void {
    slot.failure = { reason: describeError(thrown), output };
    log.error(`${nameAt(slot.place)}: ${slot.failure.reason}`, {
      ...(slot.used ? { in_use: slot.used.dir } : {}),
      hint: `correct the manifest, or attune pack env rebuild ${slot.place.pack}`,
    });
    changed(slot);
  }

  function quit(slot: Slot): void {
    slot.work?.controller.abort(superseded);
    slot.work = null;
  }

  function begin(slot: Slot, identity: Identity): void {
    if (stopped) return;
    quit(slot);
    slot.failure = null;
    const work = newWork(identity.hash);
    slot.work = work;
    const done = maker.make(slot.place, identity, work).then(
      (made) => {
        if (slot.work !== work) return;
        slot.work = null;
        slot.used = made;
        if (!made) slot.nothing = identity.hash;
        changed(slot);
      },
      (thrown) => {
        if (slot.work !== work) return;
        slot.work = null;
        fail(slot, thrown, work.tail.lines());
      },
    );
    works.add(done);
    void done.finally(() => works.delete(done));
  }

  function standing(place: EnvironmentPlace): Standing {
    const slot = slots.get(keyOf(place));
    if (!slot) return { status: "ready", dir: null };
    const found = standingOf(slot);
    if (found || !slot.identity) return found ?? { status: "making" };
    begin(slot, slot.identity);
    return { status: "making" };
  }

  function give(dir: string | null): string | null {
    if (dir !== null) given.set(dir, performance.now());
    return dir;
  }

  /** What an older version of a pack was made to run in. */
  async function ownOf(place: EnvironmentPlace): Promise<Made | null | undefined> {
    const manifests = manifestsOf(place);
    if (!manifests) return null;
    const { hash } = await identify(place, manifests, settings);
    if (slots.get(keyOf(place))?.nothing === hash) return null;
    return store.find(groupAt(place), hash) ?? undefined;
  }

  function ofPack(pack: string): Slot[] {
    return [...slots.values()].filter((slot) => slot.place.pack === pack && slot.identity !== null);
  }

  /** Directories that are needed at this moment. */
  function needed(): Set<string> {
    const keep = new Set([...maker.making, ...given.keys(), ...options.inUse()]);
    for (const slot of slots.values()) {
      const whole = store.all(groupAt(slot.place));
      // One more than the one in use, for edits that are taken back.
      const spare = whole.find((one) => one.dir !== slot.used?.dir);
      for (const one of [slot.used, spare]) if (one) keep.add(one.dir);
    }
    return keep;
  }

  async function collectNow(older: readonly EnvironmentPlace[]): Promise<void> {
    const own = await Promise.all(older.map((place) => ownOf(place).catch(() => null)));
    const dirs = new Set(own.flatMap((one) => one?.dir ?? []));
    for (const [dir, at] of given) if (performance.now() - at > handover) given.delete(dir);
    for (const dir of store.directories()) {
      // Looked at anew each time: while one was being removed, an edit may have made another the one in use.
      if (!dirs.has(dir) && !needed().has(dir)) await discard(dir);
    }
  }

  async function discard(dir: string): Promise<void> {
    await store.discard(dir).catch((thrown) => log.warn(`cannot remove ${dir}`, { error: toError(thrown).message }));
  }

  // Nothing can be at work on them: one daemon at a time has the data directory.
  for (const dir of store.unfinished()) void discard(dir);

  return {
    async want(places) {
      const looks: Promise<void>[] = [];
      const wanted = new Map(places.map((place) => [keyOf(place), place]));
      for (const [key, slot] of slots) {
        if (wanted.has(key)) continue;
        slots.delete(key);
        quit(slot);
        changed(slot);
      }
      for (const [key, place] of wanted) {
        const slot = slots.get(key) ?? newSlot(place);
        if (slots.has(key) && slot.place === place) continue;
        slots.set(key, slot);
        slot.place = place;
        // Most packs ask for nothing, which is to be known at once.
        if (!manifestsOf(place) && slot.identity === undefined) slot.identity = null;
        else looks.push(look(slot));
      }
      await Promise.all(looks);
    },
    standing,
    async require(place, signal) {
      const slot = slots.get(keyOf(place));
      if (slot?.place.packDir !== place.packDir) {
        const own = await ownOf(place);
        if (own !== undefined) return give(own?.dir ?? null);
      }
      for (;;) {
        const current = slots.get(keyOf(place));
        if (!current) throw new AttuneError("RUNTIME_UNAVAILABLE", `environment of ${place.pack}: it is not there any more`);
        const change = current.change.promise;
        const found = standing(place);
        if (found.status === "ready") return give(found.dir);
        if (found.status === "failed") throw new AttuneError("RUNTIME_UNAVAILABLE", found.reason);
        await unlessAborted(change, signal);
      }
    },
    list: () =>
      [...slots.values()]
        .flatMap((slot) => viewOf(slot) ?? [])
        .sort((a, b) => a.pack.localeCompare(b.pack) || a.runtime.localeCompare(b.runtime)),
    rebuild(pack) {
      const found = ofPack(pack);
      if (found.length === 0) throw noEnvironment(pack, slots.values());
      for (const slot of found) {
        if (slot.identity) begin(slot, slot.identity);
        else void look(slot);
      }
      options.changed();
    },
    async remove(pack) {
      const found = ofPack(pack);
      const dirs = store.directories(pack);
      if (found.length === 0 && dirs.length === 0) throw noEnvironment(pack, slots.values());
      for (const slot of found) {
        quit(slot);
        slot.used = null;
        slot.failure = null;
      }
      for (const dir of dirs) {
        store.disown(dir);
        if (!maker.making.has(dir) && !given.has(dir) && !options.inUse().has(dir)) await discard(dir);
      }
      for (const slot of found) changed(slot);
    },
    collect(older) {
      collecting = collecting.then(() => collectNow(older));
      return collecting;
    },
    async stop() {
      stopped = true;
      for (const slot of slots.values()) quit(slot);
      await Promise.all(works);
    },
  };
}

const superseded = new AttuneError("RUNTIME_UNAVAILABLE", "its environment is not made to the end: it is not needed any more");

function noEnvironment(pack: string, slots: Iterable<Slot>): AttuneError {
  const near = nearest(pack, new Set([...slots].filter(({ identity }) => identity).map(({ place }) => place.pack)));
  return new AttuneError("NOT_FOUND", `pack ${pack} has no environment`, {
    hint: near ? `did you mean ${near}?` : "attune pack env list shows those there are",
  });
}
