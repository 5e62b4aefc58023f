import path from "node:path";
import { AttuneError } from "../errors.ts";
import type { EnvironmentStep } from "../plugin.ts";
import type { Child, ChildSpec } from "../processes/child.ts";
import type { Tail } from "./tail.ts";

export interface BuildContext {
  readonly start: (spec: ChildSpec) => Child;
  /** The whole environment of the installers, but for what a step adds. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface Build {
  readonly packDir: string;
  readonly steps: readonly EnvironmentStep[];
  readonly tail: Tail;
  /** Aborted when it took too long or is not needed any more; its reason is then the failure. */
  readonly signal: AbortSignal;
  /** Told of each step, which counts from 1, before it starts. */
  readonly begins: (step: EnvironmentStep, number: number) => void;
}

/** Milliseconds between SIGTERM and SIGKILL for an installer. */
const grace = 5_000;
/** Lines that go into the message. */
const quoted = 5;

/**
 * Runs the steps one after the other, each in a process group of its own. Throws RUNTIME_UNAVAILABLE with the installer's last
 * lines when one fails, and the reason of the signal when that ends it.
 */
export async function runSteps(context: BuildContext, build: Build): Promise<void> {
  const { signal, tail } = build;
  for (const [index, step] of build.steps.entries()) {
    signal.throwIfAborted();
    build.begins(step, index + 1);
    const child = context.start({
      argv: step.argv,
      packDir: build.packDir,
      cwd: build.packDir,
      env: { ...context.environment, ...step.env },
      stdin: "none",
      onStdout: tail.push,
      onStderr: tail.push,
    });
    const stop = () => void child.stop(grace);
    signal.addEventListener("abort", stop, { once: true });
    const exit = await child.exited.finally(() => signal.removeEventListener("abort", stop));
    signal.throwIfAborted();
    if (exit.code === 0) continue;
    const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
    const last = tail.lines().slice(-quoted);
    throw new AttuneError("RUNTIME_UNAVAILABLE", [`${nameOf(step)} failed (${how})`, ...last].join("\n  "));
  }
}

/** `pip install` of `/env/bin/python -m pip install ...`; the program and its first word otherwise. */
export function nameOf({ argv }: EnvironmentStep): string {
  const [program = "", word] = argv[1] === "-m" ? argv.slice(2) : argv;
  return word !== undefined && /^[a-z][a-z-]*$/.test(word) ? `${path.basename(program)} ${word}` : path.basename(program);
}
