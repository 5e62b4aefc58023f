import { describeError } from "../errors.ts";
import type { EnvironmentSettings, Logger } from "../plugin.ts";
import { type BuildContext, nameOf, runSteps } from "./build.ts";
import type { EnvironmentPlace, Identity } from "./identity.ts";
import type { Work } from "./slot.ts";
import { type EnvironmentStore, groupOf, type Made } from "./store.ts";
import { createTurns } from "./turns.ts";
import { unlessAborted } from "./wait.ts";

export interface MakerOptions extends BuildContext {
  readonly store: EnvironmentStore;
  /** `timeout` in seconds. */
  readonly settings: EnvironmentSettings & { readonly timeout: number };
  readonly log: Logger;
}

/** Makes environments: two at a time, and one of a pack. */
export interface Maker {
  /** Null when there is nothing to install. What can't be made to the end is removed; rejects with the reason. */
  make(place: EnvironmentPlace, identity: Identity, work: Work): Promise<Made | null>;
  /** Directories of those under way. */
  readonly making: ReadonlySet<string>;
}

const atOnce = 2;

export function createMaker(options: MakerOptions): Maker {
  const { store, settings, log } = options;
  const turns = createTurns(atOnce);
  const making = new Set<string>();

  async function fill(dir: string, place: EnvironmentPlace, identity: Identity, work: Work): Promise<Made | null> {
    const { pack, packDir, runtime, interpreter } = place;
    const target = { pack: { ref: pack, dir: packDir }, manifests: identity.manifests, interpreter, dir, settings };
    const asked = Promise.try(() => runtime.environment?.create(target));
    const steps = (await unlessAborted(asked, work.limited(settings.timeout))) ?? [];
    if (steps.length === 0) return null;
    return turns.take(pack, work.controller.signal, async () => {
      const began = performance.now();
      log.info(`${nameAt(place)}: being made`);
      await runSteps(options, {
        ...{ packDir, steps, tail: work.tail, signal: work.limited(settings.timeout) },
        begins(step, number) {
          work.doing = `${nameOf(step)} (${number} of ${steps.length})`;
        },
      });
      const made = await store.complete(dir);
      log.info(`${nameAt(place)}: ready in ${((performance.now() - began) / 1_000).toFixed(1)} s`, { path: dir });
      return made;
    });
  }

  return {
    making,
    async make(place, identity, work) {
      const dir = store.create(groupAt(place), identity.hash);
      making.add(dir);
      let made: Made | null = null;
      try {
        made = await fill(dir, place, identity, work);
        return made;
      } finally {
        if (!made) await store.discard(dir).catch((thrown) => log.warn(`cannot remove ${dir}`, { error: describeError(thrown) }));
        making.delete(dir);
      }
    },
  };
}

/** Where the environments of a place lie, below the root of the store. */
export function groupAt({ pack, runtime, interpreter }: EnvironmentPlace): string {
  return groupOf(pack, runtime.name, interpreter.version);
}

/** For the log: `environment of mypack: python 3.11.2`. */
export function nameAt({ pack, runtime, interpreter }: EnvironmentPlace): string {
  return `environment of ${pack}: ${[runtime.name, interpreter.version].filter(Boolean).join(" ")}`;
}
