import path from "node:path";
import { formatPosition, type Position } from "../errors.ts";
import type { HookRunner } from "../hooks.ts";
import type { Logger } from "../plugin.ts";
import type { Entry } from "./entry.ts";
import { type PluginMistake, sameMistake } from "./places.ts";
import type { Source } from "./sources.ts";

/** Says what becomes of plugins, to the log and to the observers. */
export interface Teller {
  /** Notes the mistake with its plugin; it is told when it is another one than before. */
  rejected(entry: Entry, mistake: PluginMistake): void;
  /** What came through its files was thrown where nobody waits for it. */
  threw(entry: Entry, at: Position, message: string): void;
  /** `ms`: how long it took. */
  changed(plugin: string, change: "added" | "changed" | "removed", ms: number): void;
  /** A file in a pack that may not run inside the daemon. */
  untrusted(source: Source): void;
  /** A path as the operator knows it: relative to the project when it lies in it. */
  shown(file: string): string;
}

export function createTeller(options: { log: Logger; hooks: HookRunner; projectDir: string }): Teller {
  const { log, hooks } = options;

  function shown(file: string): string {
    const relative = path.relative(options.projectDir, file);
    return relative.startsWith("..") ? file : relative;
  }

  const nameOf = (entry: Entry) => entry.active?.facts.name ?? entry.name;

  return {
    shown,
    rejected(entry, mistake) {
      const isNews = !sameMistake(entry.mistake, mistake);
      entry.mistake = mistake;
      if (!isNews) return;
      const { file, line, column, message, hint, frame } = mistake;
      const where = formatPosition({ file: shown(file), ...(line === null ? {} : { line, column: column ?? 1 }) });
      const plugin = nameOf(entry);
      log.error(`${where}: plugin ${plugin}: ${message}`, {
        ...(hint === null ? {} : { hint }),
        ...(entry.active ? { serving: "the last good version" } : {}),
        ...(frame === null ? {} : { frame }),
      });
      void hooks.notify("plugin:rejected", { plugin, error: `${where}: ${message}` });
    },
    threw(entry, at, message) {
      const where = formatPosition({ ...at, file: shown(at.file) });
      log.error(`${where}: plugin ${nameOf(entry)}: ${message}`, {
        hint: "thrown by a timer, or a promise that nothing awaits: catch it there",
      });
    },
    changed(plugin, change, ms) {
      log.info(`plugin ${plugin}: ${change}, ${Math.round(ms)} ms`);
      void hooks.notify("plugin:changed", { plugin, change });
    },
    untrusted({ file, namespace }) {
      log.warn(`${shown(file)}: not loaded, since the pack ${namespace} is not trusted to run inside the daemon`, {
        hint: trustHint(namespace),
      });
    },
  };
}

/** What lets a pack bring plugins. */
export function trustHint(pack: string): string {
  return `add ${JSON.stringify(pack)} to plugins.trustedPacks in the config, if you trust its author with all that the daemon may do`;
}
