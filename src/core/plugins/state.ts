import type { Plugin } from "../plugin.ts";
import type { Entry } from "./entry.ts";
import type { PluginMistake } from "./places.ts";
import { trustHint } from "./tell.ts";

/** Where a plugin comes from: the binary, a value or a package named in the config, or a file. */
export type PluginSource = "built-in" | "config" | "package" | "file";

/** A plugin as the operator sees it. */
export interface PluginState {
  readonly name: string;
  /** null while no version of its file could ever be loaded. */
  readonly kind: Plugin["kind"] | null;
  readonly source: PluginSource;
  /** Absolute path; null for what does not come from a file of its own. */
  readonly file: string | null;
  readonly status: "active" | "last good version" | "rejected" | "not used";
  readonly error: PluginMistake | null;
  /** What to know about its status. */
  readonly note: string | null;
  readonly hooks: readonly string[];
  /** Ref of its runtime. */
  readonly runtime: string | null;
}

/** The state of one plugin from what is known of it. `opened`: what was opened at start. */
export function stateOf(entry: Entry, opened: readonly Pick<Plugin, "kind" | "name">[]): PluginState {
  const { active, mistake, source } = entry;
  const facts = active?.facts;
  const common = {
    name: facts?.name ?? entry.name,
    kind: facts?.kind ?? null,
    source: entry.from,
    file: source?.file ?? null,
    error: mistake,
    hooks: facts?.hooks ?? [],
    runtime: active?.runtime?.ref ?? null,
  };
  if (source && !source.trusted) {
    const note = `the pack ${source.namespace} is not trusted: ${trustHint(source.namespace)}`;
    return { ...common, status: "not used", note };
  }
  if (!facts) return { ...common, status: "rejected", note: null };
  const onlyOpened = facts.kind === "storage" || facts.kind === "transport";
  if (onlyOpened && !opened.some((one) => one.kind === facts.kind && one.name === facts.name)) {
    const note = `a ${facts.kind} is opened when the daemon starts, if the config imports it and names it as \`${facts.kind}\``;
    return { ...common, status: "not used", note };
  }
  return { ...common, status: mistake ? "last good version" : "active", note: null };
}
