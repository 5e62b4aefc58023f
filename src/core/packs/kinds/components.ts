import { isComponentRef, qualify } from "../../paths.ts";
import type { Json, Problem } from "../../plugin.ts";
import type { Action, RuleDefinition, RuntimeDefinition, Sensor, Trigger } from "../../registry.ts";
import { formatPath, type Spot } from "../../spot.ts";
import { isMistake, mistake, type Place } from "../problems.ts";
import type { PackDocument } from "../yaml/document.ts";
import { checkFields } from "./check.ts";
import type { ComponentKind } from "./fields.ts";
import {
  type CommonFields,
  type RuleFields,
  readAction,
  readRule,
  readRuntime,
  readSensor,
  readTrigger,
  type Source,
} from "./kinds.ts";

/** What a YAML file says of an action or sensor; its runtime and its script are looked up at each scan. */
export type ActionDraft = Omit<Action, "runtime" | "entrypoint" | "inline" | "dir"> & { readonly runner_type: string | null };
export type SensorDraft = Omit<Sensor, "runtime" | "entrypoint" | "dir"> & { readonly runner_type: string | null };

export type Draft =
  | { readonly kind: "action"; readonly component: ActionDraft }
  | { readonly kind: "sensor"; readonly component: SensorDraft }
  | { readonly kind: "trigger"; readonly component: Trigger }
  | { readonly kind: "rule"; readonly component: RuleDefinition }
  | { readonly kind: "runtime"; readonly component: RuntimeDefinition };

/** One YAML file of a component, read and checked by itself. */
export interface ReadComponent {
  readonly kind: ComponentKind;
  readonly file: string;
  /** Known also for many a broken file. */
  readonly ref: string | null;
  /** null when a mistake keeps the file from being used. */
  readonly draft: Draft | null;
  readonly problems: readonly Problem[];
  /** Place of each field's value, by its proper name; of parameters also of what is within, by `formatPath`. */
  readonly places: ReadonlyMap<string, Place>;
  /** Place of each parameter's name, in the same way. */
  readonly keyPlaces: ReadonlyMap<string, Place>;
}

/** Fields that only another component's schema can judge, later. */
const judgedLater = ["trigger_params", "action_params"];
/** Within them of each; what lies beyond shows the place of what it is in. */
const mostPlaces = 200;

/** Finds bad expressions in a rule: where each is in the rule's fields, and what is wrong. */
export type CheckRule = (rule: RuleDefinition) => readonly (Spot & { readonly message: string; readonly hint?: string })[];

/** Reads a parsed file as a component of `kind` of the pack `pack`. Looks at nothing but the file. */
export function readComponent(kind: ComponentKind, document: PackDocument, pack: string, checkRule?: CheckRule): ReadComponent {
  const problems: Problem[] = [];
  const report = (problem: Problem) => {
    problems.push(problem);
  };

  function check<Fields extends CommonFields>(build: (source: Source<Fields>) => Draft): ReadComponent {
    const { fields, stated, problems: found, at } = checkFields<Fields>(kind, document, pack);
    problems.push(...found);
    const ref = ownRef(kind, stated["ref"], pack);
    if (ref !== null) checkPrefix(ref, pack, document.file, at, report);
    const draft = fields && ref !== null ? build({ fields: { ...fields, ref }, file: document.file, pack, at, report }) : null;
    const inner = judgedLater.flatMap((field) => [...pathsWithin(stated[field] ?? null, [field]).take(mostPlaces)]);
    const paths = [...Object.keys(stated).map((field) => [field]), ...inner];
    return {
      kind,
      file: document.file,
      ref,
      draft: problems.some(isMistake) ? null : draft,
      problems,
      places: new Map(paths.map((path) => [formatPath(path), at(path)])),
      keyPlaces: new Map(inner.map((path) => [formatPath(path), at(path, "key")])),
    };
  }

  switch (kind) {
    case "action":
      return check(readAction);
    case "trigger":
      return check(readTrigger);
    case "sensor":
      return check(readSensor);
    case "rule":
      return check((source: Source<RuleFields>) => readRule(source, checkRule));
    case "runtime":
      return check(readRuntime);
  }
}

function* pathsWithin(value: Json, path: Spot["path"]): Generator<Spot["path"]> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const inner = [...path, Array.isArray(value) ? Number(key) : key];
    yield inner;
    yield* pathsWithin(item, inner);
  }
}

/** Only rules may leave the pack out of their ref: that is where the contract says so. */
function ownRef(kind: ComponentKind, stated: unknown, pack: string): string | null {
  if (typeof stated !== "string") return null;
  const ref = kind === "rule" ? qualify(stated, pack) : stated;
  return isComponentRef(ref) ? ref : null;
}

function checkPrefix(ref: string, pack: string, file: string, at: PackDocument["at"], report: Source<unknown>["report"]): void {
  if (ref.startsWith(`${pack}.`)) return;
  const name = ref.slice(ref.indexOf(".") + 1);
  report(mistake(file, at(["ref"]), `\`ref\` ${ref} does not belong to the pack ${pack}`, `write ref: ${pack}.${name}`));
}
