import type { Action, LoadedPack, Registry, Sensor } from "../registry.ts";
import { usable } from "../runtimes/runtimes.ts";
import type { EnvironmentPlace } from "./identity.ts";

/**
 * The runtimes and interpreters for which packs may need environments: those with a recipe that an action or a sensor of the
 * pack uses. A pack that did not change gives the same objects again, so that what hangs on their identity stays valid.
 */
export function createNeeded(): (registry: Registry) => EnvironmentPlace[] {
  let runtimes: Registry["runtimes"] | undefined;
  let known = new WeakMap<LoadedPack, EnvironmentPlace[]>();
  return (registry) => {
    if (!sameRuntimes(runtimes, registry.runtimes)) known = new WeakMap();
    runtimes = registry.runtimes;
    const places: EnvironmentPlace[] = [];
    for (const pack of registry.packs.values()) {
      const found = known.get(pack) ?? placesOf(registry, pack);
      known.set(pack, found);
      places.push(...found);
    }
    return places;
  };
}

function placesOf(registry: Registry, pack: LoadedPack): EnvironmentPlace[] {
  const packDir = pack.snapshot?.dir ?? pack.dir;
  const places = new Map<string, EnvironmentPlace>();
  for (const component of [...pack.actions.values(), ...pack.sensors.values()]) {
    const place = placeOf(registry, component, packDir);
    if (place) places.set(keyOf(place), place);
  }
  return [...places.values()];
}

/** Where the environment of a component would belong; null when its runtime knows of none or is not there. */
export function placeOf(registry: Registry, component: Action | Sensor, packDir: string): EnvironmentPlace | null {
  // Most have none: that is to cost nothing.
  if (!registry.runtimes.get(component.runtime)?.environment) return null;
  const found = usable(registry, component);
  if (!found.available) return null;
  return { pack: component.pack, packDir, runtime: found.runtime, interpreter: found.interpreter };
}

/** The same for all versions of a pack. */
export function keyOf({ pack, runtime, interpreter }: EnvironmentPlace): string {
  return JSON.stringify([pack, runtime.ref, interpreter.path ?? "", interpreter.version ?? ""]);
}

function sameRuntimes(one: Registry["runtimes"] | undefined, other: Registry["runtimes"]): boolean {
  return one?.size === other.size && [...other].every(([ref, runtime]) => one.get(ref) === runtime);
}
