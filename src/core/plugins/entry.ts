import { wordsOf } from "../runtimes/runtimes.ts";
import type { Active, Prepared } from "./activate.ts";
import { mistakeAt, type PluginMistake, placeOfWord } from "./places.ts";
import type { Source } from "./sources.ts";
import type { PluginSource } from "./state.ts";

/** A plugin, or what should be one. */
export interface Entry {
  /** null for a value. */
  readonly source: Source | null;
  readonly from: PluginSource;
  /** What it is called until it says its name itself. */
  readonly name: string;
  inputs: ReadonlySet<string>;
  /** Of the inputs as they were last read; null: look again whatever they say. */
  stamp: string | null;
  /** Content that was judged and is not to be judged again. */
  refused: string | null;
  active: Active | null;
  mistake: PluginMistake | null;
  /** When it was first found not to build, by `performance.now()`: a helper may be missing while an editor saves it. */
  unbuiltSince: number | null;
  /** When its file was first found missing, by `performance.now()`. */
  missingSince: number | null;
  /** While it is tried: ends that when its files have changed since. */
  reconsider: (() => void) | null;
  /** Whatever is done with it is done one after the other. */
  tail: Promise<void>;
}

export function newEntry(of: Pick<Entry, "source" | "from" | "name">): Entry {
  return {
    ...of,
    inputs: new Set(of.source ? [of.source.file] : []),
    stamp: null,
    refused: null,
    active: null,
    mistake: null,
    unbuiltSince: null,
    missingSince: null,
    reconsider: null,
    tail: Promise.resolve(),
  };
}

/** A plugin that serves has what another one wants. */
export interface Clash {
  readonly owner: Entry;
  /** Of the other one. */
  readonly mistake: PluginMistake;
}

/** The first of the others that has what this plugin wants; null when all of it is free. */
export function clashOf(entry: Entry, next: Prepared, others: readonly Entry[], configFile: string | null): Clash | null {
  const names = namesOf(next);
  const endings = endingsOf(next);
  for (const other of others) {
    if (other === entry || !other.active) continue;
    const { facts } = other.active;
    const held = `plugin ${facts.name} ${other.source ? `in ${other.source.file}` : `(${other.from})`}`;
    const name = firstOf(names, namesOf(other.active));
    if (name !== undefined) return taken(other, name, `the name ${name} is taken by ${held}`, "give it another name or alias");
    const ending = firstOf(endings, endingsOf(other.active));
    if (ending !== undefined) {
      return taken(other, ending, `the file ending ${ending} is taken by ${held}`, "leave it out; runner_type names the runtime");
    }
  }
  return null;

  function taken(owner: Entry, word: string, message: string, hint: string): Clash {
    const file = entry.source?.file ?? configFile ?? "";
    return { owner, mistake: mistakeAt(message, placeOfWord(word, file, entry.inputs) ?? { file }, hint) };
  }
}

function firstOf(wanted: readonly string[], taken: readonly string[]): string | undefined {
  return wanted.find((one) => taken.includes(one));
}

type Claims = Pick<Prepared, "facts" | "runtime">;

/** Lower case, as components name runtimes. */
function namesOf({ facts, runtime }: Claims): string[] {
  return runtime ? [facts.name, ...wordsOf(runtime)] : [facts.name];
}

function endingsOf({ runtime }: Claims): string[] {
  return runtime?.extensions.map((ending) => `.${ending.replace(/^\./, "").toLowerCase()}`) ?? [];
}
