import type { Problem } from "../../plugin.ts";
import type { LoadedPack, Registry } from "../../registry.ts";
import { mistake } from "../problems.ts";
import { withSnapshot } from "../versions/versions.ts";
import type { Disk } from "./disk.ts";
import { type PackPlan, planPack } from "./plan.ts";

/** What is served, besides the registry; replaced whole once the database has it. */
export interface Served {
  readonly packs: ReadonlyMap<string, LoadedPack>;
  /** The directory that serves each ref. */
  readonly owners: ReadonlyMap<string, string>;
  /** The mistakes shown of each pack's own files. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
  /** Packs on disk of which no version could be served yet, by directory. */
  readonly broken: ReadonlyMap<string, BrokenPack>;
}
export interface BrokenPack {
  readonly ref: string;
  readonly problems: readonly Problem[];
}
export type Draft = { readonly [Key in keyof Served]: Served[Key] extends ReadonlyMap<infer K, infer V> ? Map<K, V> : never };

export function draftOf(served: Served): Draft {
  return {
    packs: new Map(served.packs),
    owners: new Map(served.owners),
    problems: new Map(served.problems),
    broken: new Map(served.broken),
  };
}

/** What a reload does to one pack; `plan` null: it is retired. */
export interface Step {
  readonly ref: string;
  readonly dir: string;
  readonly plan: PackPlan | null;
}

export interface Decision {
  readonly steps: readonly Step[];
  /** Bad news is held back: look at the directory again once it has settled. */
  readonly lookAgain: boolean;
}

/** Puts the copies that were made of the packs into the draft. */
export function attachCopies(draft: Draft, disk: Disk, served: Served, steps: readonly Step[]): void {
  for (const { ref, dir, plan } of steps) {
    const scanned = disk.scans.get(dir);
    const copy = disk.copies.get(dir);
    if (!plan?.next || !scanned) continue;
    draft.packs.set(
      ref,
      withSnapshot(plan.next, served.packs.get(ref), scanned, copy ? { hash: copy.hash, dir: copy.dir } : null),
    );
  }
}

/** Decides what becomes of one directory and puts the outcome into the draft. */
export function decide(
  draft: Draft,
  disk: Disk,
  dir: string,
  options: { settled: boolean; isWanted: (ref: string) => boolean },
): Decision {
  const { settled } = options;
  const scanned = disk.scans.get(dir);
  const gone = [...draft.owners].filter(([ref, owner]) => owner === dir && ref !== scanned?.ref).map(([ref]) => ref);
  if (gone.length > 0 && !settled) return { steps: [], lookAgain: true };
  for (const ref of gone) {
    draft.packs.delete(ref);
    draft.owners.delete(ref);
    draft.problems.delete(ref);
  }
  const retired = gone.map((ref): Step => ({ ref, dir, plan: null }));
  const wasBroken = draft.broken.get(dir);
  draft.broken.delete(dir);
  if (!scanned || !options.isWanted(scanned.ref)) return { steps: retired, lookAgain: false };

  const { ref } = scanned;
  const owner = draft.owners.get(ref);
  if (owner !== undefined && owner !== dir && disk.scans.has(owner)) {
    const taken = mistake("pack.yaml", null, `the ref ${ref} is taken by ${owner}`, "give this pack another ref");
    draft.broken.set(dir, { ref: `${ref} (${dir})`, problems: [taken] });
    return { steps: retired, lookAgain: false };
  }
  const live = draft.packs.get(ref);
  const plan = planPack(live, draft.problems.get(ref) ?? wasBroken?.problems ?? [], scanned, settled);
  const { lookAgain } = plan;
  if (plan.next) {
    draft.packs.set(ref, plan.next);
    draft.owners.set(ref, dir);
    draft.problems.set(ref, plan.problems);
  } else if (settled) {
    draft.broken.set(dir, { ref, problems: plan.problems });
  } else {
    if (wasBroken) draft.broken.set(dir, wasBroken);
    return { steps: retired, lookAgain };
  }
  return { steps: [...retired, { ref, dir, plan }], lookAgain };
}

/** Whether rules, or what they are tied to, may be others afterwards. */
export function concernsRules({ plan }: Step): boolean {
  return (
    plan === null ||
    plan.manifestChanged ||
    plan.changes.some(({ kind, change }) => kind !== "sensor" && (kind !== "action" || change !== "changed"))
  );
}

/** The packs whose mistakes may be others now: those of the steps, and those that meet what has changed elsewhere. */
export function packsToJudge(registry: Registry, steps: readonly Step[]): Iterable<string> {
  const changes = steps.flatMap((one) => one.plan?.changes ?? []);
  if (steps.some((one) => one.plan === null) || changes.some(({ change }) => change !== "changed")) return registry.packs.keys();
  const refs = new Set(changes.map((change) => change.ref));
  const meeting = [...registry.rules.values()].filter(
    ({ definition }) => refs.has(definition.trigger) || refs.has(definition.action),
  );
  const restated = new Set(steps.filter((one) => one.plan?.manifestChanged).map((one) => one.ref));
  const needing = [...registry.packs.values()].filter(({ manifest }) =>
    manifest.dependencies.some((needed) => restated.has(needed.ref)),
  );
  return new Set([
    ...steps.map((one) => one.ref),
    ...meeting.map((rule) => rule.definition.pack),
    ...needing.map((pack) => pack.ref),
  ]);
}

/** Whether the operator has been told the same already. */
export function sameProblems(before: readonly Problem[], after: readonly Problem[]): boolean {
  // The lines around a mistake may change without it.
  const key = (problems: readonly Problem[]) => JSON.stringify(problems.map(({ frame: _frame, ...problem }) => problem));
  return before.length === after.length && key(before) === key(after);
}
