import type { Problem } from "../plugin.ts";
import type { Action, LoadedPack, RuleDefinition, RuntimeDefinition, Sensor, Trigger } from "../registry.ts";
import type { CodeReader } from "./code.ts";
import { locateEntryPoint } from "./entrypoint.ts";
import { type FileStates, isMissing } from "./files.ts";
import { digest } from "./hash.ts";
import type { ActionDraft, Draft, ReadComponent, SensorDraft } from "./kinds/components.ts";
import { FOLDERS, unreadable } from "./listing.ts";
import { locate, mistake, warning } from "./problems.ts";
import { chooseRuntime, type RuntimeNames } from "./runner.ts";
import type { BrokenFile } from "./scan.ts";

export type ComponentMaps = Pick<LoadedPack, "actions" | "triggers" | "sensors" | "rules" | "runtimes">;

interface LinkContext {
  /** Real path of the pack's directory. */
  readonly root: string;
  readonly files: FileStates;
  readonly runtimeNames: RuntimeNames;
  readonly code: CodeReader;
  readonly previous: ComponentMaps | undefined;
  /** Called between components: a chance for the event loop. */
  readonly rest: () => Promise<void>;
}

interface Linked {
  readonly maps: ComponentMaps;
  /** Those found here; the ones of the files themselves are known already. */
  readonly problems: readonly Problem[];
  readonly broken: readonly BrokenFile[];
}

/** Ties components to their runtimes and scripts, and settles which file holds a ref that several claim. */
export async function linkComponents(read: readonly ReadComponent[], context: LinkContext): Promise<Linked> {
  const maps = {
    actions: new Map<string, Action>(),
    triggers: new Map<string, Trigger>(),
    sensors: new Map<string, Sensor>(),
    rules: new Map<string, RuleDefinition>(),
    runtimes: new Map<string, RuntimeDefinition>(),
  };
  const problems: Problem[] = [];
  const broken: BrokenFile[] = [];
  const owners = ownersOf(read, context.previous);

  for (const component of read) {
    const { kind, file, ref, draft } = component;
    if (!draft) {
      broken.push({ file, kind, ref, problems: component.problems });
      continue;
    }
    const owner = owners.get(keyOf(draft));
    const found = owner && owner !== component ? duplicate(component, owner) : await place(draft, component);
    if (!found) continue;
    problems.push(found);
    broken.push({ file, kind, ref, problems: [...component.problems, found] });
  }
  return { maps, problems, broken };

  function warn(problem: Problem): void {
    problems.push(problem);
  }

  /** Adds the component to its map, or says why it can't be. */
  async function place(draft: Draft, component: ReadComponent): Promise<Problem | null> {
    switch (draft.kind) {
      case "trigger":
        maps.triggers.set(draft.component.ref, draft.component);
        return null;
      case "rule":
        maps.rules.set(draft.component.ref, draft.component);
        return null;
      case "runtime":
        maps.runtimes.set(draft.component.ref, draft.component);
        return null;
      case "action": {
        const tied = await tie(draft.component, component, context, warn);
        if ("problem" in tied) return tied.problem;
        const { runner_type: _, ...action } = draft.component;
        maps.actions.set(action.ref, kept({ ...action, ...tied }, context.previous?.actions.get(action.ref)));
        return null;
      }
      case "sensor": {
        const tied = await tie(draft.component, component, context, warn);
        if ("problem" in tied) return tied.problem;
        const { runner_type: _, ...sensor } = draft.component;
        const { inline: __, ...found } = tied;
        maps.sensors.set(sensor.ref, kept({ ...sensor, ...found }, context.previous?.sensors.get(sensor.ref)));
        return null;
      }
    }
  }
}

/** What ties a component to its runtime and script. */
interface Tie {
  readonly runtime: string;
  readonly entrypoint: string;
  readonly inline: boolean;
  readonly dir: string;
  readonly hash: string;
}

async function tie(
  draft: ActionDraft | SensorDraft,
  { file, places }: ReadComponent,
  context: LinkContext,
  warn: (problem: Problem) => void,
): Promise<Tie | { readonly problem: Problem }> {
  const { root, files, runtimeNames, code } = context;
  const choice = chooseRuntime(draft.kind, draft.runner_type, draft.entry_point, runtimeNames);
  const { runtime } = choice;
  if (choice.unknown) {
    const at = places.get("runner_type") ?? places.get("entry_point") ?? null;
    const hint = choice.near ? `did you mean ${choice.near}?` : "attune runtime list shows the known ones";
    warn(warning(file, at, `there is no runtime ${JSON.stringify(runtime)}`, hint));
  }
  // What comes to provide an unknown word changes the component, also when the word is already the ref.
  const link = choice.unknown ? `unknown ${runtime}` : runtime;
  const at = places.get("entry_point") ?? null;
  const entry = locateEntryPoint(files, FOLDERS[draft.kind], draft.entry_point, runtime);
  if (entry.kind === "refused") return { problem: mistake(file, at, entry.message, entry.hint) };
  if (entry.kind === "inline") {
    const hash = digest(draft.hash, link, ...(await code.ofText(entry.text)));
    return { runtime, entrypoint: entry.text, inline: true, dir: root, hash };
  }
  try {
    const hash = digest(draft.hash, link, ...(await code.ofFile(entry.relative, runtime)));
    return { runtime, entrypoint: entry.path, inline: false, dir: root, hash };
  } catch (error) {
    const reason = isMissing(error) ? "it vanished while it was read" : unreadable(entry.relative, error).message;
    return {
      problem: mistake(file, at, `\`entry_point\` ${entry.relative}: ${reason}`, "check that the file exists and is readable"),
    };
  }
}

/** The object of the last scan when nothing about it changed, so that an unchanged component keeps its identity. */
function kept<C extends Action | Sensor>(next: C, previous: C | undefined): C {
  const same =
    previous?.hash === next.hash &&
    previous.entrypoint === next.entrypoint &&
    previous.dir === next.dir &&
    previous.file === next.file;
  return previous && same ? previous : next;
}

function keyOf(draft: Draft): string {
  return `${draft.kind} ${draft.component.ref}`;
}

/** Whose each ref is: the file's that had it in the last scan, so that a careless copy takes nothing away; else the first's. */
function ownersOf(read: readonly ReadComponent[], previous: ComponentMaps | undefined): Map<string, ReadComponent> {
  const owners = new Map<string, ReadComponent>();
  for (const component of read) {
    if (!component.draft) continue;
    const { kind, component: content } = component.draft;
    const before = previous?.[FOLDERS[kind]].get(content.ref)?.file;
    const key = keyOf(component.draft);
    if (!owners.has(key) || before === component.file) owners.set(key, component);
  }
  return owners;
}

function duplicate(component: ReadComponent, owner: ReadComponent): Problem {
  const at = component.places.get("ref") ?? null;
  const message = `\`ref\` ${component.ref} is already used at ${locate(owner.file, owner.places.get("ref"))}`;
  return mistake(component.file, at, message, "give one of the two another ref");
}
