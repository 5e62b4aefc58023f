import type { PackChange } from "../../plugin.ts";
import type { LoadedPack } from "../../registry.ts";
import type { ComponentKind } from "../kinds/fields.ts";
import { FOLDERS } from "../listing.ts";
import type { BrokenFile, ScannedPack } from "../scan.ts";

export interface ComponentChange {
  readonly kind: ComponentKind;
  readonly ref: string;
  readonly change: "added" | "changed" | "removed";
}

const KINDS = Object.keys(FOLDERS) as ComponentKind[];

/** Every component that is new, gone or has another hash. */
export function changedComponents(live: LoadedPack | undefined, next: LoadedPack): ComponentChange[] {
  return KINDS.flatMap((kind) => {
    const before: ReadonlyMap<string, { readonly hash: string }> = live?.[FOLDERS[kind]] ?? new Map();
    const after: ReadonlyMap<string, { readonly hash: string }> = next[FOLDERS[kind]];
    const changes: ComponentChange[] = [];
    for (const [ref, { hash }] of after) {
      const known = before.get(ref);
      if (known?.hash !== hash) changes.push({ kind, ref, change: known ? "changed" : "added" });
    }
    for (const ref of before.keys()) {
      if (!after.has(ref)) changes.push({ kind, ref, change: "removed" });
    }
    return changes;
  });
}

/** What changed, by ref; the pack's own ref stands for its manifest. */
export function diffPack(live: LoadedPack | undefined, next: LoadedPack): PackChange {
  const changes = changedComponents(live, next);
  const refs = (change: ComponentChange["change"]) => [
    ...new Set(changes.filter((item) => item.change === change).map((item) => item.ref)),
  ];
  const manifest = live && live.manifest.hash !== next.manifest.hash ? [next.ref] : [];
  return {
    pack: next.ref,
    added: [...(live ? [] : [next.ref]), ...refs("added")],
    changed: [...manifest, ...refs("changed")],
    removed: refs("removed"),
  };
}

/**
 * The pack to serve: what the scan found good, and the last good version of what is broken. With `keepVanished` also what has
 * no file any more: an editor may just be replacing it. undefined when pack.yaml is broken and never was good.
 */
export function mergeScan(live: LoadedPack | undefined, scanned: ScannedPack, keepVanished = false): LoadedPack | undefined {
  const manifest = scanned.manifest ?? live?.manifest;
  if (!manifest) return undefined;
  return {
    ref: scanned.ref,
    dir: scanned.dir,
    manifest,
    actions: merged("action", live?.actions, scanned.actions, scanned.broken, keepVanished),
    triggers: merged("trigger", live?.triggers, scanned.triggers, scanned.broken, keepVanished),
    sensors: merged("sensor", live?.sensors, scanned.sensors, scanned.broken, keepVanished),
    rules: merged("rule", live?.rules, scanned.rules, scanned.broken, keepVanished),
    runtimes: merged("runtime", live?.runtimes, scanned.runtimes, scanned.broken, keepVanished),
    problems: scanned.problems,
    snapshot: live?.snapshot ?? null,
    kept: live?.kept ?? new Map(),
  };
}

/**
 * A broken file keeps the component it held, and, when its ref can be read, the one it claims now: a file may be renamed and
 * broken in one step.
 */
export function merged<C extends { readonly ref: string; readonly file: string }>(
  kind: ComponentKind,
  live: ReadonlyMap<string, C> | undefined,
  good: ReadonlyMap<string, C>,
  broken: readonly BrokenFile[],
  keepVanished: boolean,
): ReadonlyMap<string, C> {
  const ofKind = broken.filter((item) => item.kind === kind);
  if (!live || (ofKind.length === 0 && !keepVanished)) return good;
  const isBroken = ({ ref, file }: C) =>
    ofKind.some((item) => item.ref === ref || item.file === file || item.file === FOLDERS[kind]);
  const missing = [...live].filter(([ref]) => !good.has(ref));
  if (missing.length === 0) return good;
  // A file that is there and says another ref has renamed its component: that is no vanishing.
  const files = new Set([...good.values()].map((component) => component.file));
  const kept = missing.filter(([, component]) => isBroken(component) || (keepVanished && !files.has(component.file)));
  return kept.length === 0 ? good : new Map([...good, ...kept]);
}
