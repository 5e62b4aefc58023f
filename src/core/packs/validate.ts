import { nearest } from "../errors.ts";
import type { Problem } from "../plugin.ts";
import { packOf } from "../registry.ts";
import { mistake } from "./problems.ts";
import { type ScannedPack, type ScanOptions, scanPack } from "./scan.ts";

/**
 * Every mistake and warning that can be found in the pack at `dir` without a daemon. Refs into other packs are not checked, because
 * which packs there are is known only where they run.
 */
export async function validatePack(dir: string, options: Omit<ScanOptions, "previous">): Promise<Problem[]> {
  const scanned = await scanPack(dir, options);
  return [...scanned.problems, ...danglingRefs(scanned)];
}

/** Refs to triggers and actions of the pack itself that no file of it defines. */
function danglingRefs(scanned: ScannedPack): Problem[] {
  const problems: Problem[] = [];
  const triggers = definedRefs(scanned, "trigger");
  const actions = definedRefs(scanned, "action");

  function check(file: string, field: string, ref: string, what: string, known: ReadonlySet<string>): void {
    if (packOf(ref) !== scanned.ref || known.has(ref)) return;
    const near = nearest(ref, known);
    const hint = near ? `did you mean ${near}?` : `create it, or name one of another pack`;
    problems.push(mistake(file, scanned.placeOf(file, field) ?? null, `there is no ${what} ${ref}`, hint));
  }

  for (const rule of scanned.rules.values()) {
    check(rule.file, "trigger_ref", rule.trigger, "trigger", triggers);
    check(rule.file, "action_ref", rule.action, "action", actions);
  }
  for (const sensor of scanned.sensors.values()) {
    for (const trigger of sensor.triggers) check(sensor.file, "trigger_types", trigger, "trigger", triggers);
  }
  return problems;
}

/** Broken ones included: they exist, and their own mistake is reported already. */
function definedRefs(scanned: ScannedPack, kind: "trigger" | "action"): ReadonlySet<string> {
  const good = kind === "trigger" ? scanned.triggers : scanned.actions;
  const broken = scanned.broken.filter((file) => file.kind === kind && file.ref !== null);
  return new Set([...good.keys(), ...broken.map((file) => file.ref ?? "")]);
}
