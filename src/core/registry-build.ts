import { AttuneError, nearest } from "./errors.ts";
import {
  findAction,
  findTrigger,
  isActive,
  type LoadedPack,
  type Registry,
  type Rule,
  type RuleDefinition,
  type Runtime,
} from "./registry.ts";
import { runtimeNames } from "./runtimes/runtimes.ts";

/** A rule's row: what only the database knows of it. */
export interface RuleRow {
  readonly id: number;
  readonly ref: string;
  readonly source: "pack" | "api";
  readonly enabled: boolean;
  readonly override: boolean | null;
  readonly armedAt: string;
  readonly created: string;
  readonly updated: string;
}

/** A definition with its compiled decision; made once for each version of a rule. */
export type CompileRule = (definition: RuleDefinition) => Pick<Rule, "decide" | "render">;

export interface RegistryParts {
  readonly packs: ReadonlyMap<string, LoadedPack>;
  readonly runtimes: Iterable<Runtime>;
  readonly rules: Iterable<{ readonly definition: RuleDefinition; readonly row: RuleRow }>;
}

/** The next registry from its parts. Pure; rules are tied to the triggers and actions that are there now. */
export function buildRegistry(current: Registry, parts: RegistryParts, compile: CompileRule): Registry {
  const runtimes = new Map([...parts.runtimes].map((runtime) => [runtime.ref, runtime]));
  const next = {
    generation: current.generation + 1,
    packs: parts.packs,
    runtimes,
    runtimeNames: runtimeNames(runtimes.values()),
  };
  const lookup: Registry = { ...next, rules: new Map(), rulesById: new Map(), rulesByTrigger: new Map() };

  const rules = new Map<string, Rule>();
  const rulesById = new Map<number, Rule>();
  const rulesByTrigger = new Map<string, Rule[]>();
  for (const { definition, row } of parts.rules) {
    const rule =
      sameRule(current.rules.get(definition.ref), lookup, definition, row) ?? linkRule(lookup, definition, row, compile);
    rules.set(definition.ref, rule);
    rulesById.set(rule.id, rule);
    if (!isActive(rule)) continue;
    const others = rulesByTrigger.get(definition.trigger);
    if (others) others.push(rule);
    else rulesByTrigger.set(definition.trigger, [rule]);
  }
  return { ...next, rules, rulesById, rulesByTrigger };
}

function linkRule(registry: Registry, definition: RuleDefinition, row: RuleRow, compile: CompileRule): Rule {
  const { compiled, failure } = compileOrExplain(compile, definition);
  return {
    id: row.id,
    definition,
    source: row.source,
    enabled: isEnabled(registry, definition, row),
    armedAt: row.armedAt,
    created: row.created,
    updated: row.updated,
    unresolved: missingPart(registry, definition) ?? failure,
    ...compiled,
  };
}

/** The rule as it is served now, if nothing about it has changed: what hangs on its identity stays valid. */
function sameRule(rule: Rule | undefined, registry: Registry, definition: RuleDefinition, row: RuleRow): Rule | undefined {
  const same =
    rule?.definition === definition &&
    rule.updated === row.updated &&
    rule.armedAt === row.armedAt &&
    rule.enabled === isEnabled(registry, definition, row) &&
    rule.unresolved === missingPart(registry, definition);
  return same ? rule : undefined;
}

function isEnabled(registry: Registry, definition: RuleDefinition, row: RuleRow): boolean {
  return (row.override ?? row.enabled) && (registry.packs.get(definition.pack)?.manifest.enabled ?? true);
}

/** A pack's rule was checked when it was read; one from the database may have been stored by another version of attune. */
function compileOrExplain(compile: CompileRule, definition: RuleDefinition) {
  try {
    return { compiled: compile(definition), failure: null };
  } catch (thrown) {
    if (!(thrown instanceof AttuneError)) throw thrown;
    const refuse = () => {
      throw thrown;
    };
    return { compiled: { decide: refuse, render: refuse }, failure: thrown.message };
  }
}

function missingPart(registry: Registry, definition: RuleDefinition): string | null {
  const trigger = findTrigger(registry, definition.trigger);
  if (!trigger) return `there is no trigger ${definition.trigger}`;
  if (!trigger.enabled) return `trigger ${definition.trigger} is disabled`;
  return findAction(registry, definition.action) ? null : `there is no action ${definition.action}`;
}

/** For a message about an unknown ref: `did you mean ...?`, or undefined. */
export function suggestion(ref: string, known: Iterable<string>): string | undefined {
  const near = nearest(ref, known);
  return near ? `did you mean ${near}?` : undefined;
}
