import { AttuneError, describeError, nearest, type Position, toError } from "./errors.ts";
import { launchMistake, within } from "./launch.ts";
import type { ExecutionPlan, Filters, Hooks, JsonObject, Logger, Observers } from "./plugin.ts";
import { isObject } from "./values.ts";

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

export const hookNames: ReadonlySet<string> = new Set(Object.keys(kinds));

/** What helps whoever wrote a hook's name wrong. */
export function unknownHook(name: string): string {
  const near = nearest(name, hookNames);
  return near ? `did you mean ${near}?` : `known hooks: ${[...hookNames].join(", ")}`;
}

/** What is wrong with the value a filter returned, or null. */
const shapes: Record<keyof Filters, (value: unknown) => string | null> = {
  "event:accept": (value) =>
    isObject(value) && typeof value["id"] === "string" && isObject(value["payload"]) ? null : "is no event with id and payload",
  "execution:plan": (value) =>
    isObject(value) && typeof value["action"] === "string" && isObject(value["parameters"])
      ? null
      : "is no plan with action and parameters",
  "process:launch": launchMistake,
};

function returnMistake(hook: keyof Filters, returned: unknown): string | null {
  if (returned === undefined) return "nothing";
  const mistake = shapes[hook](returned);
  return mistake && `what ${mistake}`;
}

/** A plugin with its handlers, whose shape was checked. */
export interface HookedPlugin {
  readonly plugin: string;
  readonly hooks: Hooks;
  /** Where in its files an error of one of its hooks comes from. */
  readonly place?: (error: Error, hook: string) => Position | null;
}

export interface HookRunner {
  /** From now on these plugins are asked and told, in this order, and no others. What is under way is not disturbed. */
  use(plugins: readonly HookedPlugin[]): void;
  /** Whether any plugin has a handler for it: what is only made for handlers need not be made. */
  has(hook: keyof Observers | keyof Filters): boolean;
  /** Tells all observers, side by side. Resolves when all have answered or run out of time; never rejects. */
  notify<K extends keyof Observers>(hook: K, ...args: Parameters<Observers[K]>): Promise<void>;
  /**
   * Passes a value through the filters in order. An event that one drops gives null; what else one refuses, with null,
   * rejects with REFUSED that names the plugin, and a failure with PLUGIN_FAILED.
   */
  filter<K extends Passed>(hook: K, value: Filtered<K>, ...rest: FilterRest<K>): Promise<Filtered<K> | Dropped<K>>;
  /**
   * The parameters of an execution after the filters of `execution:plan`, those of each as `check` gives them. Rejects as
   * `filter` does, also when `check` throws: what a filter got was checked before.
   */
  plan(plan: ExecutionPlan, check: (parameters: JsonObject) => JsonObject): Promise<JsonObject>;
}
type Passed = Exclude<keyof Filters, "execution:plan">;
type Filtered<K extends Passed> = Parameters<Filters[K]>[0];
type Dropped<K> = K extends "event:accept" ? null : never;
type FilterRest<K extends Passed> = Parameters<Filters[K]> extends [unknown, ...infer Rest] ? Rest : [];

/**
 * Runs the plugins' handlers. Each has `timeLimit` milliseconds; whatever goes wrong in one carries the plugin's and the
 * hook's name and its place. A handler that blocks the event loop can't be interrupted; `calling` is told which one is
 * being called and, with null, that it has returned.
 */
export function createHooks(log: Logger, timeLimit = 5_000, calling?: (what: string | null) => void): HookRunner {
  let handlers: ReadonlyMap<HookName, ReadonlyArray<HookedPlugin & { handler: Handler }>> = new Map();

  async function call({ plugin, place }: HookedPlugin, hook: HookName, handler: Handler, args: unknown[]): Promise<unknown> {
    try {
      calling?.(`hook ${hook} of plugin ${plugin}`);
      const result = Promise.try(handler, ...args);
      // What it does after its first await can't be told from the work of others.
      calling?.(null);
      return await within(timeLimit, result, new Error(`no answer within ${timeLimit} ms`));
    } catch (thrown) {
      const error = toError(thrown);
      throw new AttuneError("PLUGIN_FAILED", `hook ${hook} of plugin ${plugin} failed: ${error.message}`, {
        at: place?.(error, hook) ?? undefined,
        cause: error,
      });
    }
  }

  /** What a filter gives; null only where that drops the value. */
  async function ask(filter: HookedPlugin & { handler: Handler }, hook: keyof Filters, args: unknown[]): Promise<unknown> {
    const next = await call(filter, hook, filter.handler, args);
    if (next === null && hook !== "event:accept") {
      throw new AttuneError("REFUSED", `hook ${hook} of plugin ${filter.plugin} refused it`);
    }
    const mistake = next === null ? null : returnMistake(hook, next);
    if (mistake) throw wrong(filter, hook, mistake, "a filter returns the value, changed or not, or null to drop it");
    return next;
  }

  function wrong({ plugin, place }: HookedPlugin, hook: keyof Filters, mistake: string, hint: string): AttuneError {
    const at = place?.(new Error(mistake), hook) ?? undefined;
    return new AttuneError("PLUGIN_FAILED", `hook ${hook} of plugin ${plugin} returned ${mistake}`, { at, hint });
  }

  return {
    use(plugins) {
      const next = new Map<HookName, Array<HookedPlugin & { handler: Handler }>>();
      for (const one of plugins) {
        for (const [name, handler] of Object.entries(one.hooks)) {
          const hook = name as HookName;
          next.set(hook, [...(next.get(hook) ?? []), { ...one, handler: handler as Handler }]);
        }
      }
      handlers = next;
    },

    has: (hook) => (handlers.get(hook)?.length ?? 0) > 0,

    async notify(hook, ...args) {
      const observers = handlers.get(hook);
      if (!observers?.length) return;
      await Promise.all(
        observers.map((observer) =>
          call(observer, hook, observer.handler, args).catch((error: AttuneError) =>
            log.error(describeError(error), { plugin: observer.plugin, hook }),
          ),
        ),
      );
    },

    async filter(hook, value, ...rest) {
      let current = value;
      for (const filter of handlers.get(hook) ?? []) {
        const next = await ask(filter, hook, [current, ...rest]);
        if (next === null) return null as Dropped<typeof hook>;
        current = next as typeof value;
      }
      return current;
    },

    async plan(plan, check) {
      let { parameters } = plan;
      for (const filter of handlers.get("execution:plan") ?? []) {
        const next = (await ask(filter, "execution:plan", [{ ...plan, parameters }])) as ExecutionPlan;
        try {
          parameters = check(next.parameters);
        } catch (thrown) {
          const message = `parameters that do not fit ${plan.action}: ${toError(thrown).message}`;
          throw wrong(filter, "execution:plan", message, `attune action show ${plan.action} lists them`);
        }
      }
      return parameters;
    },
  };
}
