import type { Problem } from "../plugin.ts";
import {
  allActions,
  allTriggers,
  findAction,
  findTrigger,
  type LoadedPack,
  type Registry,
  type RuleDefinition,
} from "../registry.ts";
import { suggestion } from "../registry-build.ts";
import { wordsOf } from "../runtimes/runtimes.ts";
import { dependencyProblems } from "./dependencies.ts";
import { withFrames } from "./frames.ts";
import { mistake, type PlaceOf, warning } from "./problems.ts";
import { parameterProblems } from "./rule-parameters.ts";

/**
 * What only shows when all packs are there: rules and sensors may name triggers and actions of other packs and rules give them
 * parameters, a rule may have been made through the API before, a runtime may claim a name that another has. Reads the files
 * of what is wrong, to show their lines.
 */
export function problemsAcross(registry: Registry, pack: LoadedPack, placeOf: PlaceOf): Problem[] {
  const at = (file: string, field: string) => placeOf(file, field) ?? null;
  const noTrigger = (file: string, field: string, ref: string) =>
    mistake(
      file,
      at(file, field),
      `there is no trigger ${ref}`,
      suggestion(ref, refs(allTriggers(registry))) ?? "attune trigger list shows them all",
    );
  const noAction = (file: string, ref: string) =>
    mistake(
      file,
      at(file, "action_ref"),
      `there is no action ${ref}`,
      suggestion(ref, refs(allActions(registry))) ?? "attune action list shows them all",
    );

  const taken = (rule: RuleDefinition) =>
    mistake(
      rule.file,
      at(rule.file, "ref"),
      `there is already a rule ${rule.ref}, made through the API`,
      `give this one another ref, or attune rule delete ${rule.ref} and save this file again`,
    );

  const ofRules = [...pack.rules.values()].flatMap((rule) => {
    const trigger = findTrigger(registry, rule.trigger);
    const action = findAction(registry, rule.action);
    return [
      ...(registry.rules.get(rule.ref)?.source === "api" ? [taken(rule)] : []),
      ...(trigger ? [] : [noTrigger(rule.file, "trigger_ref", rule.trigger)]),
      ...(action ? [] : [noAction(rule.file, rule.action)]),
      ...parameterProblems(rule, { trigger: trigger?.parameters, action: action?.parameters }, placeOf),
    ];
  });
  const ofSensors = [...pack.sensors.values()].flatMap((sensor) =>
    sensor.triggers
      .filter((trigger) => !findTrigger(registry, trigger))
      .map((trigger) => noTrigger(sensor.file, "trigger_types", trigger)),
  );
  const ofRuntimes = [...pack.runtimes.values()].flatMap((runtime) => {
    if (registry.runtimes.has(runtime.ref)) return [];
    const word = wordsOf(runtime).find((name) => registry.runtimeNames.has(name)) ?? runtime.name;
    const field = word === runtime.name.toLowerCase() ? "name" : "aliases";
    const holder = registry.runtimeNames.get(word) ?? "";
    const message = `the runtime ${runtime.ref} claims the name ${word}, which ${holder} has`;
    // An operator's plugin may take the place of a pack's runtime, which is no mistake of the pack.
    const isOverridden = holder.startsWith("local.");
    const hint = isOverridden ? "the plugin serves instead; rename one of them to have both" : "give it another name or alias";
    const place = at(runtime.file, field);
    return [isOverridden ? warning(runtime.file, place, message, hint) : mistake(runtime.file, place, message, hint)];
  });
  const ofPack = dependencyProblems(registry, pack, placeOf);
  return withFrames(pack.dir, [...ofPack, ...ofRules, ...ofSensors, ...ofRuntimes]);
}

function refs(components: Iterable<{ readonly ref: string }>): string[] {
  return Array.from(components, (component) => component.ref);
}
