import { toError } from "./errors.ts";
import type { Awaitable, ChildScope, Logger } from "./plugin.ts";

/**
 * A scope owns what was acquired in it. `end()` aborts the signal, then runs the cleanups last first, each awaited, all of
 * them even when one fails; the first failure is rethrown with the others attached. Ending twice, or from several places
 * at once, shares one ending; what is deferred after the end runs at once, so that a slow start can't leak.
 */
export function createScope(name: string, log: Logger): ChildScope {
  const controller = new AbortController();
  const cleanups: Array<() => Awaitable<void>> = [];
  let ending: Promise<void> | undefined;
  let ended = false;

  async function runCleanups(): Promise<void> {
    controller.abort();
    const failures: Error[] = [];
    for (let cleanup = cleanups.pop(); cleanup; cleanup = cleanups.pop()) {
      try {
        await cleanup();
      } catch (thrown) {
        failures.push(toError(thrown));
      }
    }
    ended = true;
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1)
      throw new AggregateError(failures, `${failures.length} cleanups of ${name} failed: ${failures[0]?.message}`);
  }

  const scope: ChildScope = {
    name,
    log,
    signal: controller.signal,
    defer(cleanup) {
      if (ended) {
        void Promise.try(cleanup).catch((thrown) => log.error("cleanup failed", { scope: name, error: toError(thrown).message }));
        return () => {};
      }
      cleanups.push(cleanup);
      return () => {
        const index = cleanups.lastIndexOf(cleanup);
        if (index >= 0) cleanups.splice(index, 1);
      };
    },
    every(ms, task) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let stopped = false;
      let running: Promise<void> = Promise.resolve();
      const schedule = () => {
        timer = setTimeout(() => {
          running = Promise.try(task, controller.signal)
            .catch((thrown) => log.error("periodic task failed", { scope: name, error: toError(thrown).message }))
            .then(() => {
              if (!stopped) schedule();
            });
        }, ms);
      };
      const stop = () => {
        stopped = true;
        clearTimeout(timer);
        return running;
      };
      schedule();
      // Last, since a scope that has ended runs it at once.
      const forget = scope.defer(stop);
      return () => {
        forget();
        void stop();
      };
    },
    child(childName) {
      const child = createScope(`${name}/${childName}`, log);
      const forget = scope.defer(() => child.end());
      child.defer(forget);
      return child;
    },
    end() {
      ending ??= runCleanups();
      return ending;
    },
    [Symbol.asyncDispose]: () => scope.end(),
  };
  return scope;
}
