import { AttuneError, nearest, toError } from "./errors.ts";
import type { Filters, Hooks, Logger, Observers } from "./plugin.ts";

/** Every hook and how the results of its handlers combine. The record makes a forgotten name a compile error. */
const kinds: Record<keyof Observers, "observe"> & Record<keyof Filters, "filter"> = {
  "daemon:ready": "observe",
  "daemon:stopping": "observe",
  "pack:changed": "observe",
  "pack:rejected": "observe",
  "plugin:changed": "observe",
  "plugin:rejected": "observe",
  "sensor:state": "observe",
  "event:accepted": "observe",
  "enforcement:created": "observe",
  "execution:state": "observe",
  "process:started": "observe",
  "process:exited": "observe",
  "event:accept": "filter",
  "execution:plan": "filter",
  "process:launch": "filter",
};

type HookName = keyof Observers | keyof Filters;
type Handler = (...args: unknown[]) => unknown;

export interface HookRunner {
  /** Adds a plugin's handlers after those already there; returns the undo. Refuses unknown names with PLUGIN_INVALID. */
  register(plugin: string, hooks: Hooks): () => void;
  /** Whether any plugin has a handler for it: what is only made for handlers need not be made. */
  has(hook: keyof Observers | keyof Filters): boolean;
  /** Tells all observers, side by side. Resolves when all have answered or run out of time; never rejects. */
  notify<K extends keyof Observers>(hook: K, ...args: Parameters<Observers[K]>): Promise<void>;
  /** Passes a value through the filters in order. null: one of them dropped it. Rejects with PLUGIN_FAILED. */
  filter<K extends keyof Filters>(
    hook: K,
    value: Parameters<Filters[K]>[0],
    ...rest: FilterRest<K>
  ): Promise<Parameters<Filters[K]>[0] | null>;
}
type FilterRest<K extends keyof Filters> = Parameters<Filters[K]> extends [unknown, ...infer Rest] ? Rest : [];

/**
 * Runs the plugins' handlers. Each has `timeLimit` milliseconds; whatever goes wrong in one carries the plugin's and the
 * hook's name. A handler that blocks the event loop can't be interrupted.
 */
export function createHooks(log: Logger, timeLimit = 5_000): HookRunner {
  const handlers = new Map<HookName, Array<{ plugin: string; handler: Handler }>>();

  async function call(plugin: string, hook: HookName, handler: Handler, args: unknown[]): Promise<unknown> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const result = Promise.try(handler, ...args);
      const limit = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${timeLimit} ms`)), timeLimit);
      });
      return await Promise.race([result, limit]);
    } catch (thrown) {
      const error = toError(thrown);
      throw new AttuneError("PLUGIN_FAILED", `hook ${hook} of plugin ${plugin} failed: ${error.message}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    register(plugin, hooks) {
      for (const [name, handler] of Object.entries(hooks)) {
        if (!Object.hasOwn(kinds, name)) {
          const near = nearest(name, Object.keys(kinds));
          throw new AttuneError("PLUGIN_INVALID", `plugin ${plugin} names an unknown hook ${name}`, {
            hint: near ? `did you mean ${near}?` : `known hooks: ${Object.keys(kinds).join(", ")}`,
          });
        }
        if (typeof handler !== "function")
          throw new AttuneError("PLUGIN_INVALID", `hook ${name} of plugin ${plugin} is not a function`);
      }
      const added: Array<() => void> = [];
      for (const [name, handler] of Object.entries(hooks)) {
        const entry = { plugin, handler: handler as Handler };
        const hook = name as HookName;
        handlers.set(hook, [...(handlers.get(hook) ?? []), entry]);
        added.push(() =>
          handlers.set(
            hook,
            (handlers.get(hook) ?? []).filter((other) => other !== entry),
          ),
        );
      }
      return () => {
        for (const undo of added) undo();
      };
    },

    has: (hook) => (handlers.get(hook)?.length ?? 0) > 0,

    async notify(hook, ...args) {
      const observers = handlers.get(hook);
      if (!observers?.length) return;
      await Promise.all(
        observers.map(({ plugin, handler }) =>
          call(plugin, hook, handler, args).catch((error: AttuneError) => log.error(error.message, { plugin, hook })),
        ),
      );
    },

    async filter(hook, value, ...rest) {
      let current: typeof value | null = value;
      for (const { plugin, handler } of handlers.get(hook) ?? []) {
        const next = await call(plugin, hook, handler, [current, ...rest]);
        if (next === null) return null;
        if (typeof next !== "object") {
          throw new AttuneError("PLUGIN_FAILED", `hook ${hook} of plugin ${plugin} returned ${typeof next}`, {
            hint: "a filter returns the value, changed or not, or null to drop it",
          });
        }
        current = next as typeof value;
      }
      return current;
    },
  };
}
