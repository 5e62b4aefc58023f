import path from "node:path";
import { AttuneError, type Position, toError } from "./errors.ts";
import type { Awaitable, Launch, LaunchTarget, RuntimePlugin } from "./plugin.ts";
import { isObject } from "./values.ts";

/** What is wrong with a launch that a plugin gave, or null. */
export function launchMistake(value: unknown): string | null {
  if (!isObject(value)) return "is no object with argv";
  const { cwd, stdin, warm } = value;
  const command = commandMistake(value);
  if (command) return command;
  if (cwd !== undefined && (!isText(cwd) || !path.isAbsolute(cwd))) return "has a cwd that is no absolute path";
  if (stdin !== undefined && typeof stdin !== "string") return "has a stdin that is no text";
  if (warm === undefined) return null;
  const inWarm = isObject(warm) ? commandMistake(warm) : "is no object with argv";
  return inWarm && `has a warm server that ${inWarm}`;
}

function commandMistake({ argv, env }: { argv?: unknown; env?: unknown }): string | null {
  if (!Array.isArray(argv) || argv.length === 0) return "has no argv, the list of program and arguments";
  if (!argv.every(isText)) return "has an argv of which not all is text without NUL";
  if (argv[0] === "") return "has an argv without a program";
  if (env === undefined) return null;
  if (!isObject(env)) return "has an env that is no object";
  const bad = Object.entries(env).find(([name, value]) => !isText(value) || !isText(name) || name === "" || name.includes("="));
  return bad ? `has an env in which ${JSON.stringify(bad[0])} is no text without NUL` : null;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}

/**
 * `launch` of a plugin, with a time limit in milliseconds and its answer checked. What goes wrong is thrown as PLUGIN_FAILED, with the
 * place that `place` finds for it. `calling` is told that it is being called and, with null, that it has returned.
 */
export function checkedLaunch(
  plugin: RuntimePlugin,
  place: (error: Error) => Position | null = () => null,
  calling?: (what: string | null) => void,
  timeLimit = 5_000,
): (target: LaunchTarget) => Awaitable<Launch> {
  function failed(what: string, cause: Error): AttuneError {
    return new AttuneError("PLUGIN_FAILED", `launch of plugin ${plugin.name} ${what}`, {
      at: place(cause) ?? undefined,
      cause,
    });
  }
  function checked(launch: unknown): Launch {
    const mistake = launchMistake(launch);
    if (mistake) throw failed(`gave something that ${mistake}`, new Error(mistake));
    return launch as Launch;
  }
  const threw = (thrown: unknown) => failed(`failed: ${toError(thrown).message}`, toError(thrown));

  return (target) => {
    let answer: Awaitable<Launch>;
    try {
      calling?.(`launch of plugin ${plugin.name}`);
      answer = plugin.launch(target);
    } catch (thrown) {
      throw threw(thrown);
    } finally {
      calling?.(null);
    }
    if (!(answer instanceof Promise)) return checked(answer);
    const late = new Error(`no answer within ${timeLimit} ms`);
    const failing = (thrown: unknown) => {
      throw threw(thrown);
    };
    return within(timeLimit, answer, late).then(checked, failing);
  };
}

/** The promise's outcome, or a rejection with `late` after `ms` milliseconds. */
export async function within<T>(ms: number, promise: Promise<T>, late: Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), ms);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
