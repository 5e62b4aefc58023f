import type { Action, Registry } from "../registry.ts";
import { usable } from "../runtimes/runtimes.ts";
import type { OutputBuffer } from "./output.ts";
import { failedRun, type Run, type RunContext, runAction, runLater } from "./run.ts";
import type { ClaimedExecution } from "./store.ts";

export interface StartOptions {
  readonly registry: () => Registry;
  readonly run: RunContext;
  /** The action as it was when the execution was made; undefined when there is none of that ref any more. */
  readonly version: (action: string, snapshot: string | null) => Action | undefined | Promise<Action | undefined>;
  /** Seconds an action of the pack may run. */
  readonly timeoutOf: (pack: string, stated: number | null) => number;
}

/** Runs an execution's action as its pack and its runtime have it. Without one the run fails with the reason. */
export function startExecution(
  options: StartOptions,
  execution: ClaimedExecution,
  output: { readonly stdout: OutputBuffer; readonly stderr: OutputBuffer },
): Run {
  const registry = options.registry();
  const start = (action: Action | undefined): Run =>
    action
      ? runAction(options.run, {
          execution,
          action,
          usable: usable(registry, action),
          timeout: options.timeoutOf(action.pack, action.timeout),
          warm: action.warm && registry.packs.get(action.pack)?.manifest.warm !== false,
          ...output,
        })
      : failedRun(execution, `there is no action ${execution.action} any more`);
  const found = options.version(execution.action, execution.snapshot);
  return found instanceof Promise ? runLater(execution, found.then(start)) : start(found);
}
