import { formatPosition, toError } from "../errors.ts";
import { placeOf } from "../modules.ts";
import type { Logger } from "../plugin.ts";
import type { Entry } from "./entry.ts";

/** Calls the listener with each error that is thrown where nobody waits for it. Returns the undo. */
export type OnUncaught = (listener: (thrown: unknown) => void) => () => void;

/** Logs such an error in the name of the plugin whose files it came through. The daemon goes on. */
export function logUncaught(thrown: unknown, log: Logger, entries: Iterable<Entry>, shown: (file: string) => string): void {
  const error = toError(thrown);
  for (const { active, name, inputs } of entries) {
    const at = placeOf(error, inputs);
    if (!at) continue;
    const where = formatPosition({ ...at, file: shown(at.file) });
    log.error(`${where}: plugin ${active?.facts.name ?? name}: ${error.message}`, {
      hint: "thrown by a timer, or a promise that nothing awaits: catch it there",
    });
    return;
  }
  log.error("an error that nothing caught", { error: error.stack ?? error.message });
}
