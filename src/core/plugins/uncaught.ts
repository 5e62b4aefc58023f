import { toError } from "../errors.ts";
import { placeOf } from "../modules.ts";
import type { Logger } from "../plugin.ts";
import type { Entry } from "./entry.ts";
import type { Teller } from "./tell.ts";

/** Calls the listener with each error that is thrown where nobody waits for it. Returns the undo. */
export type OnUncaught = (listener: (thrown: unknown) => void) => () => void;

/** Tells of such an error in the name of the plugin whose files it came through. The daemon goes on. */
export function tellUncaught(thrown: unknown, entries: Iterable<Entry>, teller: Teller, log: Logger): void {
  const error = toError(thrown);
  for (const entry of entries) {
    const at = placeOf(error, entry.inputs);
    if (!at) continue;
    teller.threw(entry, at, error.message);
    return;
  }
  log.error("an error that nothing caught", { error: error.stack ?? error.message });
}
