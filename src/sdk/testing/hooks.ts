import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { AttuneError } from "../../core/errors.ts";
import { createHooks, hookNames, unknownHook } from "../../core/hooks.ts";
import type { Filters, Hooks, Logger, Observers } from "../../core/plugin.ts";
import { silentLogger } from "../../core/silent-logger.ts";
import { type Case, makeCase } from "./case.ts";
import { hookSamples } from "./samples.ts";

/** Milliseconds a hook may take, as in the daemon. */
const timeLimit = 5_000;

/**
 * What every handler of a hook promises. Each is called with samples of what the daemon tells it, just as the daemon calls it:
 * an observer that posts to an address really posts there.
 */
export function hooksContract(hooks: Hooks): readonly Case[] {
  const names = Object.keys(hooks);
  return [
    makeCase(
      { name: "all hooks are known ones, with functions", member: "hooks", hint: `known hooks: ${[...hookNames].join(", ")}` },
      () => {
        for (const [name, handler] of Object.entries(hooks)) {
          assert(hookNames.has(name), `there is no hook ${name}: ${unknownHook(name)}`);
          assert(typeof handler === "function", `hook ${name} is no function`);
        }
      },
    ),
    ...names.filter((name) => hookNames.has(name)).map((name) => hookCase(name as keyof Hooks, hooks)),
  ];
}

function hookCase(hook: keyof Hooks, hooks: Hooks): Case {
  return isFilter(hook) ? filterCase(hook, hooks) : observerCase(hook, hooks);
}

const filters: Readonly<Record<keyof Filters, string>> = {
  "event:accept": "the event, changed or not, or null to drop it",
  "execution:plan": "the plan, changed or not, or null to drop it",
  "process:launch": "the launch, changed or not, or null to refuse it",
};

function isFilter(hook: keyof Hooks): hook is keyof Filters {
  return Object.hasOwn(filters, hook);
}

function filterCase(hook: keyof Filters, hooks: Hooks): Case {
  return makeCase(
    {
      name: `filter ${hook} returns ${filters[hook]}`,
      member: hook,
      hint: `return ${filters[hook]}; what it throws refuses the item`,
    },
    async (trial) => {
      const runner = runnerOf({ [hook]: hooks[hook] }, silentLogger);
      for (const sample of hookSamples()[hook]) await trial.settled(`${hook} to answer`, runner.filter(hook, ...sample));
    },
  );
}

function observerCase(hook: keyof Observers, hooks: Hooks): Case {
  return makeCase(
    {
      name: `observer ${hook} settles, and changes nothing it is told`,
      member: hook,
      hint: "catch what may fail (each failure is a line in the daemon's log), and end within 5 s",
    },
    async (trial) => {
      for (const told of hookSamples()[hook]) {
        const before = structuredClone(told);
        await trial.settled(`${hook} to answer`, observe(hook, hooks[hook] as Handler, told));
        assert(isDeepStrictEqual(told, before), `${hook} changed what it was told, which other plugins are told as well`);
      }
    },
  );
}

/** Calls an observer as the daemon does; rejects with what the daemon would only log. */
async function observe(hook: keyof Observers, handler: Handler, told: readonly unknown[]): Promise<void> {
  const failures: string[] = [];
  let thrown: unknown;
  const noting = async (...args: unknown[]) => {
    try {
      await handler(...args);
    } catch (error) {
      thrown = error;
      throw error;
    }
  };
  const log: Logger = { ...silentLogger, error: (message) => void failures.push(message) };
  await runnerOf({ [hook]: noting }, log).notify(hook, ...told);
  if (failures[0] !== undefined) throw new AttuneError("PLUGIN_FAILED", failures[0], { cause: thrown });
}

type Handler = (...args: unknown[]) => unknown;

/** The daemon's own way to call hooks. That samples belong to their hook is more than its types can follow through a loop. */
function runnerOf(hooks: Hooks, log: Logger) {
  const runner = createHooks(log, timeLimit);
  runner.use([{ plugin: "under test", hooks }]);
  return runner as unknown as {
    filter(hook: keyof Filters, ...sample: readonly unknown[]): Promise<unknown>;
    notify(hook: keyof Observers, ...told: readonly unknown[]): Promise<void>;
  };
}
