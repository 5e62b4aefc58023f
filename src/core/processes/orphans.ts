import { readdirSync, readFileSync } from "node:fs";
import { AttuneError } from "../errors.ts";
import { adoptOrphans, reap } from "../libc.ts";
import type { Scope } from "../plugin.ts";
import type { Exit } from "./child.ts";
import { exitOf } from "./warm-replies.ts";

/** Takes over the processes of fork servers that were killed. */
export interface Orphans {
  /** How a process ends whose parent has died, or is about to be gone. Rejects with INTERNAL when that can't be known any more. */
  collect(pid: number): Promise<Exit>;
}

/** Milliseconds between two looks, growing from the first to the last. */
const firstLook = 2;
const lastLook = 50;
/** Milliseconds a process may belong to nobody: its parent lets go of its files before it lets go of its children. */
const inBetween = 5_000;
const straysEvery = 60_000;
const sightings = 3;

/**
 * From now on this process is the parent of all orphans below it, until it ends. Those that nobody collects, such as what a
 * script has put into the background for good, are reaped now and then. null where the kernel can't do that.
 */
export function adoptingOrphans(scope: Scope): Orphans | null {
  if (!adoptOrphans()) return null;
  const collecting = new Set<number>();
  let seen = new Map<number, number>();

  // A child that Bun has started is a zombie for a moment only: one seen in several turns of the event loop is not Bun's.
  scope.every(straysEvery, () => {
    const zombies = ownZombies().filter((pid) => !collecting.has(pid));
    seen = new Map(zombies.map((pid) => [pid, (seen.get(pid) ?? 0) + 1]));
    for (const [pid, times] of seen) if (times >= sightings) reap(pid);
  });

  return {
    async collect(pid) {
      collecting.add(pid);
      try {
        let belongsToNobodySince: number | undefined;
        for (let wait = firstLook; ; wait = Math.min(2 * wait, lastLook)) {
          const status = reap(pid);
          if (status !== null && status !== "none") return exitOf(status);
          if (status === null) belongsToNobodySince = undefined;
          else belongsToNobodySince ??= performance.now();
          if (belongsToNobodySince !== undefined && performance.now() - belongsToNobodySince > inBetween)
            throw new AttuneError("INTERNAL", `how process ${pid} ended is not known: its fork server was killed with it`);
          await Bun.sleep(wait);
        }
      } finally {
        collecting.delete(pid);
      }
    },
  };
}

function ownZombies(): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isOwnZombie(pid));
}

function isOwnZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith(`Z ${process.pid} `);
  } catch {
    return false; // It is gone.
  }
}
