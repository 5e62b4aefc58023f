import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withLaunchEnvironment } from "../environment.ts";
import { AttuneError, describeError, toError } from "../errors.ts";
import type { Awaitable, Launch, LaunchTarget, WarmServer } from "../plugin.ts";
import type { Child, ChildSpec, Exit } from "../processes/child.ts";
import type { Action } from "../registry.ts";
import type { Usable } from "../runtimes/runtimes.ts";
import type { OutputBuffer } from "./output.ts";
import { deliver } from "./parameters.ts";
import { outcomeOf, textOf } from "./result.ts";
import type { ClaimedExecution, FinishedExecution } from "./store.ts";

/** What running one action takes, given by the composition root. */
export interface RunContext {
  readonly start: (spec: ChildSpec, server: WarmServer | null) => Awaitable<Child>;
  readonly filterLaunch: (launch: Launch, target: LaunchTarget) => Awaitable<Launch>;
  /** The clean environment of a pack's children, with the `ATTUNE_*` they all get. */
  readonly environment: (pack: string) => Readonly<Record<string, string>>;
  /**
   * Directory of the environment that this version of the action runs in; null when it needs none. Waits while it is made the
   * first time, and rejects with the reason when it can't be, and when the signal is aborted.
   */
  readonly packEnvironment: (
    action: Action,
    using: Usable & { readonly available: true },
    signal: AbortSignal,
  ) => Awaitable<string | null>;
  /** Private directory for parameter files. */
  readonly tempDir: string;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly grace: number;
}

export interface Run {
  readonly finished: Promise<FinishedExecution>;
  /** Ends it early, as `cancelled` or, at shutdown, as `abandoned`. */
  end(status: "cancelled" | "abandoned", reason: string): void;
}

interface Early {
  readonly status: "timeout" | "cancelled" | "abandoned";
  readonly error: string;
}

/** Runs one claimed execution of `action` to its end. `timeout` is in seconds. Never rejects: what fails is its result. */
export function runAction(
  context: RunContext,
  work: {
    execution: ClaimedExecution;
    action: Action;
    usable: Usable;
    timeout: number;
    /** Whether a fork server may start it. */
    warm: boolean;
    stdout: OutputBuffer;
    stderr: OutputBuffer;
  },
): Run {
  const { execution, action, stdout, stderr } = work;
  const began = performance.now();
  let child: Child | undefined;
  let early: Early | undefined;
  const ending = new AbortController();

  function stopEarly(reason: Early): void {
    early ??= reason;
    ending.abort(new AttuneError("REFUSED", reason.error));
    stopChild();
  }

  function stopChild(): void {
    child?.stop(context.grace).catch(() => {}); // What goes wrong with it is the result of the run.
  }

  async function perform(): Promise<Exit> {
    const { spec, server, cleanup } = await prepare(context, work, ending.signal);
    try {
      if (early) throw new AttuneError("REFUSED", early.error);
      child = await context.start(spec, work.warm ? server : null);
      // Ended while a fork server was asked.
      if (early) stopChild();
      const timer = setTimeout(
        () => stopEarly({ status: "timeout", error: `Execution timed out after ${work.timeout} seconds` }),
        work.timeout * 1_000,
      );
      try {
        return await child.exited;
      } finally {
        clearTimeout(timer);
      }
    } finally {
      cleanup();
    }
  }

  async function finish(): Promise<FinishedExecution> {
    let exit: Exit | undefined;
    let failure: string | null = null;
    try {
      exit = await perform();
      if (exit.signal && !early) failure = `ended by ${exit.signal}`;
    } catch (thrown) {
      failure = describeError(toError(thrown));
    }
    const printed = { stdout: stdout.content(), stderr: stderr.content() };
    const exitCode = exit?.code ?? -1;
    const status = early?.status ?? (exit?.code === 0 ? "completed" : "failed");
    const outcome = outcomeOf(
      {
        exitCode: early ? -1 : exitCode,
        durationMs: Math.round(performance.now() - began),
        succeeded: status === "completed",
        stdout: { text: textOf(printed.stdout, "head"), truncated: stdout.truncated },
        stderr: { text: textOf(printed.stderr, "tail"), truncated: stderr.truncated },
        error: early?.error ?? failure,
      },
      action.output_format,
    );
    const output = [
      { stream: "stdout" as const, content: printed.stdout, totalBytes: stdout.totalBytes },
      { stream: "stderr" as const, content: printed.stderr, totalBytes: stderr.totalBytes },
    ].filter(({ totalBytes }) => totalBytes > 0);
    return {
      id: execution.id,
      status,
      result: outcome.result,
      exitCode: early || !exit ? (early ? -1 : null) : exitCode,
      error: outcome.error,
      output,
    };
  }

  return { finished: finish(), end: (status, reason) => stopEarly({ status, error: reason }) };
}

/** A run that ends before anything was started. */
export function failedRun(execution: ClaimedExecution, error: string): Run {
  const result = { succeeded: false, error };
  return {
    finished: Promise.resolve({ id: execution.id, status: "failed", result, exitCode: null, error, output: [] }),
    end() {},
  };
}

/** A run whose version has to be read first. */
export function runLater(execution: ClaimedExecution, starting: Promise<Run>): Run {
  const run = starting.catch((thrown) => failedRun(execution, `its version can't be read: ${toError(thrown).message}`));
  return {
    finished: run.then((started) => started.finished),
    end: (status, reason) => void run.then((started) => started.end(status, reason)),
  };
}

async function prepare(
  context: RunContext,
  work: { execution: ClaimedExecution; action: Action; usable: Usable; stdout: OutputBuffer; stderr: OutputBuffer },
  signal: AbortSignal,
): Promise<{ spec: ChildSpec; server: WarmServer | null; cleanup: () => void }> {
  const { execution, action } = work;
  if (!work.usable.available) throw new AttuneError("RUNTIME_UNAVAILABLE", work.usable.reason);
  const { runtime, interpreter } = work.usable;
  const environment = await context.packEnvironment(action, work.usable, signal);
  const target: LaunchTarget = {
    kind: "action",
    ref: action.ref,
    entrypoint: action.entrypoint,
    inline: action.inline,
    pack: { ref: action.pack, dir: action.dir },
    interpreter,
    environment,
  };
  const launch = await context.filterLaunch(await runtime.launch(target), target);
  const delivery = deliver(action, execution.parameters);
  const file = delivery.file === null ? null : parameterFile(context.tempDir, delivery.file);
  const stdin = launch.stdin ?? delivery.stdin;
  return {
    spec: {
      argv: launch.argv,
      packDir: action.dir,
      environment,
      cwd: launch.cwd ?? action.dir,
      env: {
        ...withLaunchEnvironment(context.environment(action.pack), launch.env),
        ...delivery.env,
        ...identity(execution, action),
        ...(file ? { ATTUNE_PARAMETER_FILE: file.path } : {}),
      },
      stdin: stdin === null ? "none" : { text: stdin },
      onStdout: work.stdout.append,
      onStderr: work.stderr.append,
      component: { kind: "action", ref: action.ref, execution: execution.id },
    },
    server: launch.warm ?? null,
    cleanup: () => file?.remove(),
  };
}

/** `ATTUNE_*` of contract 2.1 that differ from run to run. */
function identity(execution: ClaimedExecution, action: Action): Record<string, string> {
  return {
    ATTUNE_EXEC_ID: execution.id,
    ATTUNE_ACTION: action.ref,
    ATTUNE_PACK_REF: action.pack,
    ATTUNE_ATTEMPT: String(execution.attempt),
    ...(execution.rule ? { ATTUNE_RULE: execution.rule } : {}),
    ...(execution.trigger ? { ATTUNE_TRIGGER: execution.trigger } : {}),
  };
}

function parameterFile(tempDir: string, text: string): { path: string; remove: () => void } {
  const dir = mkdtempSync(path.join(tempDir, "parameters-"));
  const file = path.join(dir, "parameters");
  writeFileSync(file, text, { mode: 0o400 });
  return { path: file, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
