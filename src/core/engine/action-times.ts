import type { Settings } from "../config.ts";
import type { Action } from "../registry.ts";

/** How long actions may take, in seconds. */
export function actionTimes(settings: Pick<Settings, "limits" | "packs">) {
  const { limits, packs } = settings;

  /** `stated` by the action, within what is set for its pack. */
  function timeoutOf(pack: string, stated: number | null): number {
    return Math.min(stated ?? limits.actionTimeout, packs.byPack.get(pack)?.maxActionTimeout ?? Number.POSITIVE_INFINITY);
  }

  return {
    timeoutOf,
    /** After which its job counts as lost. */
    expireInSeconds: (action: Action) => timeoutOf(action.pack, action.timeout) + limits.grace + 60,
  };
}
