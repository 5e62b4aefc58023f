import { describeError } from "../errors.ts";
import type { SensorStatus } from "../plugin.ts";
import { failedRuns, type RestartPolicy, restartDelay } from "./backoff.ts";
import type { Child, Exit } from "./child.ts";
import { createRecentLines, type RecentLines } from "./recent.ts";

/** A process that should run, and with what. */
export interface Wanted {
  readonly ref: string;
  /** Changes when a running process has to be replaced. */
  readonly identity: string;
  /** For a process that listens: changes when it has to be told something new. */
  readonly revision: string | null;
  /** Why it can't run now, if so. */
  readonly unavailable: string | null;
}

export interface SupervisorOptions<W extends Wanted> {
  readonly policy: RestartPolicy;
  /** Milliseconds between asking a process to stop and killing it. */
  readonly grace: number;
  /** Starts the process; its standard error goes to `log`. Rejecting counts as an exit. */
  readonly start: (wanted: W, log: (line: string) => void) => Promise<Child>;
  /** The line to tell a listening process after it has started and at each new revision. */
  readonly message: (wanted: W) => Promise<string>;
  readonly changed: (state: ProcessState) => void;
  readonly random?: () => number;
}

export interface ProcessState {
  readonly ref: string;
  readonly status: SensorStatus;
  readonly pid: number | null;
  /** How often it was started again since it was first wanted. */
  readonly restarts: number;
  /** Why it is not running. */
  readonly reason: string | null;
  readonly lastExit: { readonly code: number | null; readonly signal: string | null; readonly at: string } | null;
}

export interface Supervisor<W extends Wanted> {
  /**
   * Replaces the list of what should run. What is in both lists with the same identity is left alone; the refs of those
   * that are replaced by another identity are returned.
   */
  want(list: readonly W[]): string[];
  states(): readonly ProcessState[];
  log(ref: string): RecentLines | undefined;
  /** Ends everything; resolves when all processes are gone. */
  stop(): Promise<void>;
}

const keptLines = 1_000;
/** Milliseconds until a message that could not be made is tried again. */
const retryMessage = 1_000;

/** Keeps processes running, each by itself: one that fails again and again does not hold up its neighbours. */
export function createSupervisor<W extends Wanted>(options: SupervisorOptions<W>): Supervisor<W> {
  const processes = new Map<string, Supervised<W>>();
  return {
    want(list) {
      const refs = new Set(list.map((wanted) => wanted.ref));
      for (const [ref, process] of processes) if (!refs.has(ref)) process.want(null);
      return list.flatMap((wanted) => {
        const known = processes.get(wanted.ref) ?? supervise(wanted.ref, options);
        processes.set(wanted.ref, known);
        return known.want(wanted) ? [wanted.ref] : [];
      });
    },
    states: () => [...processes.values()].map((process) => process.state()),
    log: (ref) => processes.get(ref)?.lines,
    async stop() {
      for (const process of processes.values()) process.want(null);
      await Promise.all([...processes.values()].map((process) => process.idle()));
    },
  };
}

interface Supervised<W> {
  /** Whether a process that runs is replaced by it. */
  want(wanted: W | null): boolean;
  state(): ProcessState;
  /** Resolves when it is not wanted and not running. */
  idle(): Promise<void>;
  readonly lines: RecentLines;
}

/** One loop for each process; `desired` is all it is told from outside, and `nudge` wakes it from whatever it waits for. */
function supervise<W extends Wanted>(ref: string, options: SupervisorOptions<W>): Supervised<W> {
  const lines = createRecentLines(keptLines);
  const random = options.random ?? Math.random;
  let desired: W | null = null;
  let nudge = Promise.withResolvers<void>();
  let loop: Promise<void> | undefined;
  let restarts = 0;
  let state: ProcessState = { ref, status: "stopped", pid: null, restarts, reason: null, lastExit: null };

  function enter(status: SensorStatus, details: { pid?: number; reason?: string } = {}): void {
    state = { ...state, status, restarts, pid: details.pid ?? null, reason: details.reason ?? null };
    options.changed(state);
  }

  async function nudged(): Promise<void> {
    await nudge.promise;
    nudge = Promise.withResolvers();
  }

  /** Runs the process until it exits or must not go on as it is. Resolves with the exit if it was the process's own. */
  async function runOnce(wanted: W): Promise<string | null> {
    enter("starting");
    let child: Child;
    try {
      child = await options.start(wanted, lines.add);
    } catch (thrown) {
      return describeError(thrown);
    }
    enter("running", { pid: child.pid });
    let told: string | null = null;
    for (;;) {
      const current = desired;
      if (current === null || current.identity !== wanted.identity || current.unavailable !== null) {
        await child.stop(options.grace);
        return null;
      }
      if (current.revision !== null && current.revision !== told) {
        const line = await options.message(current).catch((thrown: unknown) => {
          lines.add(`(cannot be told of its rules yet: ${thrown instanceof Error ? thrown.message : String(thrown)})`);
          return null;
        });
        if (line !== null) told = current.revision;
        // Not awaited: a process that does not read must neither keep its end nor a change from being seen. One that
        // does not read any more will exit or be replaced.
        if (line !== null) void child.send(`${line}\n`).catch(() => {});
      }
      const toTell = desired?.revision != null && desired.revision !== told;
      const exit = await Promise.race([child.exited, nudged(), ...(toTell ? [Bun.sleep(retryMessage).then(() => null)] : [])]);
      if (exit) {
        state = { ...state, pid: null, lastExit: { code: exit.code, signal: exit.signal, at: new Date().toISOString() } };
        return describeExit(exit, lines.all().at(-1));
      }
    }
  }

  async function keepRunning(): Promise<void> {
    let failed = 0;
    for (let wanted = desired; wanted !== null; wanted = desired) {
      if (wanted.unavailable !== null) {
        if (state.status !== "unavailable" || state.reason !== wanted.unavailable)
          enter("unavailable", { reason: wanted.unavailable });
        await nudged();
        continue;
      }
      const began = performance.now();
      const failure = await runOnce(wanted);
      if (failure === null) {
        failed = 0;
        continue;
      }
      failed = failedRuns(options.policy, failed, performance.now() - began);
      const delay = restartDelay(options.policy, failed, random());
      restarts++;
      enter("backoff", { reason: `${failure}; starts again in ${(delay / 1_000).toFixed(1)} s` });
      const { identity } = wanted;
      const over = Bun.sleep(delay).then(() => true);
      // An edit, or not being needed any more, ends the wait at once.
      while (desired?.identity === identity && desired.unavailable === null) {
        if (await Promise.race([over, nudged().then(() => false)])) break;
      }
      if (desired?.identity !== identity) failed = 0;
    }
    enter("stopped");
  }

  return {
    lines,
    state: () => state,
    want(wanted) {
      const replaces = state.pid !== null && wanted !== null && desired !== null && wanted.identity !== desired.identity;
      desired = wanted;
      nudge.resolve();
      if (wanted === null || loop) return replaces;
      nudge = Promise.withResolvers();
      loop = keepRunning().finally(() => {
        loop = undefined;
        if (desired !== null) this.want(desired);
      });
      return replaces;
    },
    async idle() {
      await loop;
    },
  };
}

function describeExit(exit: Exit, lastLine: string | undefined): string {
  const how = exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
  return lastLine ? `${how}: ${lastLine}` : how;
}
