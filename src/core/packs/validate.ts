import { nearest } from "../errors.ts";
import type { Problem } from "../plugin.ts";
import { type FlatSchema, packOf } from "../registry.ts";
import { withFrames } from "./frames.ts";
import { mistake } from "./problems.ts";
import { parameterProblems } from "./rule-parameters.ts";
import { withPackRuntimes } from "./runner.ts";
import { type ScannedPack, type ScanOptions, scanPack } from "./scan.ts";

export interface ValidateOptions extends Omit<ScanOptions, "previous"> {
  /** Schemas of the parameters of triggers and actions known without looking at a pack, by ref. */
  readonly known: { readonly triggers: ReadonlyMap<string, FlatSchema>; readonly actions: ReadonlyMap<string, FlatSchema> };
}

/** One pack's directory as it was given, and every mistake and warning in it, by place. */
export interface ValidatedPack {
  readonly dir: string;
  readonly ref: string;
  readonly problems: readonly Problem[];
}

/**
 * Every mistake and warning that can be found in the packs at `dirs` without a daemon. Refs into packs that are not among
 * them are not checked, because which packs there are is known only where they run.
 */
export async function validatePacks(dirs: readonly string[], options: ValidateOptions): Promise<ValidatedPack[]> {
  const scans = await scanAll(dirs, options);
  const byRef = new Map(scans.map((scanned) => [scanned.ref, scanned]));
  return scans.map((scanned, i) => {
    const across = [...danglingRefs(scanned, byRef), ...wrongParameters(scanned, byRef, options.known)];
    return { dir: dirs[i] ?? scanned.dir, ref: scanned.ref, problems: [...scanned.problems, ...withFrames(scanned.dir, across)] };
  });
}

/** A pack may use a runtime that another of them brings: then all are read once more with its name known. */
async function scanAll(dirs: readonly string[], options: ScanOptions): Promise<ScannedPack[]> {
  const first: ScannedPack[] = [];
  for (const dir of dirs) first.push(await scanPack(dir, options));
  const definitions = first.flatMap((scanned) => [...scanned.runtimes.values()]);
  if (definitions.length === 0 || first.length === 1) return first;
  const runtimeNames = withPackRuntimes(options.runtimeNames, definitions);
  const second: ScannedPack[] = [];
  for (const [i, dir] of dirs.entries())
    second.push(await scanPack(dir, { ...options, runtimeNames, ...(first[i] && { previous: first[i] }) }));
  return second;
}

/** Refs to triggers and actions that no file of their pack defines. */
function danglingRefs(scanned: ScannedPack, packs: ReadonlyMap<string, ScannedPack>): Problem[] {
  const problems: Problem[] = [];

  function check(file: string, field: string, ref: string, kind: "trigger" | "action"): void {
    const owner = packs.get(packOf(ref));
    if (!owner) return;
    const known = definedRefs(owner, kind);
    if (known.has(ref)) return;
    const near = nearest(ref, known);
    const hint = near ? `did you mean ${near}?` : "create it, or name one of another pack";
    problems.push(mistake(file, scanned.placeOf(file, field) ?? null, `there is no ${kind} ${ref}`, hint));
  }

  for (const rule of scanned.rules.values()) {
    check(rule.file, "trigger_ref", rule.trigger, "trigger");
    check(rule.file, "action_ref", rule.action, "action");
  }
  for (const sensor of scanned.sensors.values()) {
    for (const trigger of sensor.triggers) check(sensor.file, "trigger_types", trigger, "trigger");
  }
  return problems;
}

function wrongParameters(
  scanned: ScannedPack,
  packs: ReadonlyMap<string, ScannedPack>,
  known: ValidateOptions["known"],
): Problem[] {
  return [...scanned.rules.values()].flatMap((rule) => {
    const [triggers, actions] = [packs.get(packOf(rule.trigger)), packs.get(packOf(rule.action))];
    const schemas = {
      trigger: triggers ? triggers.triggers.get(rule.trigger)?.parameters : known.triggers.get(rule.trigger),
      action: actions ? actions.actions.get(rule.action)?.parameters : known.actions.get(rule.action),
    };
    return parameterProblems(rule, schemas, scanned.placeOf);
  });
}

/** Broken ones included: they exist, and their own mistake is reported already. */
function definedRefs(scanned: ScannedPack, kind: "trigger" | "action"): ReadonlySet<string> {
  const good = kind === "trigger" ? scanned.triggers : scanned.actions;
  const broken = scanned.broken.filter((file) => file.kind === kind && file.ref !== null);
  return new Set([...good.keys(), ...broken.map((file) => file.ref ?? "")]);
}
