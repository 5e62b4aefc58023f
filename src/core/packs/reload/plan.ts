import type { Problem } from "../../plugin.ts";
import type { LoadedPack } from "../../registry.ts";
import { isMistake } from "../problems.ts";
import type { ScannedPack } from "../scan.ts";
import { type ComponentChange, changedComponents, mergeScan } from "./diff.ts";

/** What a scanned pack becomes. */
export interface PackPlan {
  /** What to serve; undefined when pack.yaml is broken and never was good. */
  readonly next: LoadedPack | undefined;
  readonly changes: readonly ComponentChange[];
  readonly manifestChanged: boolean;
  /** What to show of the pack's mistakes. */
  readonly problems: readonly Problem[];
  /** There is bad news that is held back: look again when the files have been quiet for longer. */
  readonly lookAgain: boolean;
}

/**
 * Accept good fast, report bad late: what is good is served at once, while new mistakes and vanished files wait until the
 * pack's files are `settled`, since an editor may be in the middle of saving. A mistake that is gone is forgotten at once.
 */
export function planPack(
  live: LoadedPack | undefined,
  shown: readonly Problem[],
  scanned: ScannedPack,
  settled: boolean,
): PackPlan {
  const next = mergeScan(live, scanned, !settled);
  const changes = next ? changedComponents(live, next) : [];
  const manifestChanged = next !== undefined && live?.manifest.hash !== next.manifest.hash;
  if (settled) return { next, changes, manifestChanged, problems: scanned.problems, lookAgain: false };

  const problems = withoutNews(scanned.problems, shown);
  const kept = next !== undefined && componentCount(next) > componentCount(scanned);
  return {
    next,
    changes,
    manifestChanged,
    problems,
    lookAgain: kept || next === undefined || problems.length < scanned.problems.length,
  };
}

/** The problems without the mistakes that are not shown yet. */
export function withoutNews(problems: readonly Problem[], shown: readonly Problem[]): readonly Problem[] {
  const known = new Set(shown.map(keyOf));
  return problems.filter((problem) => !isMistake(problem) || known.has(keyOf(problem)));
}

function keyOf({ file, line, message }: Problem): string {
  return `${file}:${line}:${message}`;
}

function componentCount(pack: Omit<LoadedPack, "manifest" | "snapshot" | "kept">): number {
  return pack.actions.size + pack.triggers.size + pack.sensors.size + pack.rules.size + pack.runtimes.size;
}
