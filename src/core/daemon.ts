import * as host from "../sdk/host.ts";
import { startEngine } from "./engine/engine.ts";
import { describeError, toError } from "./errors.ts";
import { openInstance } from "./instance.ts";
import { loadSettings } from "./load-settings.ts";
import { createLogger } from "./log.ts";
import { provideSdk } from "./modules.ts";
import type { OnUncaught } from "./plugins/uncaught.ts";
import { killLeftovers } from "./processes/leftovers.ts";
import { createScope } from "./scope.ts";

export interface DaemonOptions {
  /** Path of the config file, when one was named. */
  readonly config?: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Errors of this process that nothing caught: they are logged, and the daemon goes on. */
  readonly uncaught: OnUncaught;
}
export interface Daemon {
  readonly url: string;
  /** Stops in the reverse order of the start; calling it again shares the one ending. */
  stop(reason: string): Promise<void>;
  /** The exit code, once it has stopped: 0, or 1 when it had to give up. */
  readonly done: Promise<number>;
}

/**
 * Starts the daemon. Everything acquired is released in the reverse order, also
 * when starting fails half-way. Rejects with an AttuneError that says what to do.
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const began = performance.now();
  provideSdk(host, () => import("../sdk/testing/index.ts"));
  const settings = await loadSettings({ explicit: options.config, cwd: options.cwd, env: options.env });
  const log = createLogger(settings.log);
  const scope = createScope("daemon", log);
  const done = Promise.withResolvers<number>();

  async function stop(reason: string, exitCode: number): Promise<void> {
    if (!scope.signal.aborted) log.info("stopping", { reason });
    await scope.end().catch((thrown) => log.error("stopping went wrong", { error: toError(thrown).message }));
    log.info("stopped");
    done.resolve(exitCode);
  }

  if (process.getuid?.() === 0)
    log.warn("running as root: actions and sensors run as root too", { hint: "run attune as a user of its own" });
  try {
    const instance = openInstance(settings.dataDir, scope);
    killLeftovers(settings.dataDir, instance.home, log);
    const url = await startEngine(settings, instance, {
      scope,
      log,
      began,
      env: options.env,
      uncaught: options.uncaught,
      fail: (error) => {
        log.error(describeError(error));
        void stop(error.message, 1);
      },
    });
    return { url, stop: (reason) => stop(reason, 0), done: done.promise };
  } catch (thrown) {
    await scope.end().catch((secondary) => log.error("stopping went wrong", { error: toError(secondary).message }));
    throw thrown;
  }
}
