import { toError } from "../errors.ts";
import type { ExecutionChange, ExecutionStatus, Logger, Sql, Storage } from "../plugin.ts";
import { createDoubt } from "./doubt.ts";
import { createOutputBuffer, type OutputBuffer } from "./output.ts";
import type { JobQueue } from "./queue.ts";
import { createRecorder } from "./recorder.ts";
import type { Run } from "./run.ts";
import { type StartOptions, startExecution } from "./start.ts";
import { abandonRunning, type ClaimedExecution, markRunning, stillRunning } from "./store.ts";

export interface ExecutorOptions extends StartOptions {
  readonly storage: Storage;
  readonly queue: JobQueue;
  /** This start of the daemon; fences the rows it has claimed. */
  readonly owner: string;
  readonly concurrency: number;
  /** Bytes kept of each stream. */
  readonly outputLimit: number;
  readonly changed: (change: ExecutionChange) => void;
  readonly log: Logger;
}

export interface Executor {
  /** Settles what a dead daemon left `running`, then starts to work. */
  start(): Promise<void>;
  /** There may be a job: look now. */
  wake(): void;
  /**
   * Takes jobs for the free slots in a transaction of the caller, right where they are enqueued. The caller says with
   * `settle` how its transaction ended; only then do they start.
   */
  claimWithin(tx: Sql): Promise<{ settle(committed: boolean): void }>;
  /**
   * Keeps slots for executions which the caller stores as running at once, with {@link ExecutorOptions.owner}, for as many
   * of them as are free; none while older ones wait. That spares taking their jobs.
   */
  reserve(ids: readonly string[]): Reservation;
  /** Streams of an execution that runs here now. */
  output(id: string): { readonly stdout: OutputBuffer; readonly stderr: OutputBuffer } | undefined;
  /** Resolves when the execution is over and stored; at once when it does not run here. */
  finished(id: string): Promise<void>;
  /** Processes under way. */
  readonly running: number;
  /**
   * No new jobs; waits `drain` milliseconds for those that run, then ends them as abandoned. Does not wait for a
   * database that stays away: the next start settles what could not be stored.
   */
  stop(drain: number): Promise<void>;
}

export interface Reservation {
  /** The executions there is a slot for. */
  readonly ids: ReadonlySet<string>;
  /** How the transaction that stored them ended, and which of them it made; only those start. */
  settle(committed: boolean, made: readonly ClaimedExecution[]): void;
}

interface Claim {
  readonly ids: readonly string[];
  readonly executions: Promise<ClaimedExecution[]>;
  /** As many as were asked for, so there may be more. */
  readonly full: boolean;
}

interface Active {
  readonly run: Run;
  readonly stdout: OutputBuffer;
  readonly stderr: OutputBuffer;
  readonly stored: Promise<void>;
}

/** The net under the wake-ups: a job nobody announced waits at most this long. */
const pollEvery = 5_000;
/** Results that wait to be stored, as a multiple of the concurrency, before no more is taken on. */
const unstoredLimit = 8;
/** Milliseconds a stopping daemon waits for a database that is away. */
const storeLimit = 5_000;
const abandon = (run: Run) => run.end("abandoned", "the daemon was stopped");

export function createExecutor(options: ExecutorOptions): Executor {
  const { storage, queue, owner, log } = options;
  const active = new Map<string, Active>();
  const doubt = createDoubt();
  /** Processes under way: what has ended but is not stored yet holds no slot. */
  let occupied = 0;
  /** Slots kept for what a transaction under way has claimed. */
  let claiming = 0;
  /** Jobs may be waiting that no slot was free for. */
  let waiting = false;
  let stopping = false;
  /** What starts from now on has to end at once. */
  let drained = false;
  /** Once it is stopping: nothing runs, waits to be stored, or is claimed. */
  const over = Promise.withResolvers<void>();
  let looking: Promise<void> | undefined;
  let lookAgain = false;
  let poll: ReturnType<typeof setInterval> | undefined;

  function free(): number {
    if (stopping || doubt.open.size > 0 || active.size >= unstoredLimit * options.concurrency) return 0;
    return options.concurrency - occupied - claiming;
  }

  function release(slots: number): void {
    claiming -= slots;
    noteIdle();
  }

  function noteIdle(): void {
    if (stopping && claiming === 0 && active.size === 0) over.resolve();
  }

  const recorder = createRecorder({ ...options, claimNext: (tx) => (waiting && free() > 0 ? api.claimWithin(tx) : undefined) });

  function launch(execution: ClaimedExecution): void {
    doubt.forget(execution.id);
    const stdout = createOutputBuffer(options.outputLimit);
    const stderr = createOutputBuffer(options.outputLimit);
    const change = (from: ExecutionStatus, to: ExecutionStatus, exitCode: number | null, error: string | null) =>
      options.changed({ id: execution.id, action: execution.action, rule: execution.rule, from, to, exitCode, error });
    change("scheduled", "running", null, null);
    const run = startExecution(options, execution, { stdout, stderr });
    occupied++;
    const stored = run.finished
      .then(async (finished) => {
        // Its slot is free from here on: if jobs wait for one, they are taken together with storing this result.
        occupied--;
        if (await recorder.store(finished)) change("running", finished.status, finished.exitCode, finished.error);
      })
      .catch((thrown) =>
        log.error("the end of an execution went wrong", { execution: execution.id, error: toError(thrown).message }),
      )
      .finally(() => {
        active.delete(execution.id);
        noteIdle();
        if (waiting) api.wake();
      });
    active.set(execution.id, { run, stdout, stderr, stored });
    if (drained) abandon(run);
  }

  /**
   * Takes jobs within a transaction. Their executions are known only at its end, since the statement that marks them goes
   * out together with the COMMIT.
   */
  async function claim(tx: Sql, count: number): Promise<Claim> {
    const ids = await queue.claim(tx, count);
    const executions = ids.length === 0 ? Promise.resolve([]) : markRunning(tx, ids, owner);
    executions.catch(() => {}); // It fails the transaction.
    return { ids, executions, full: ids.length === count };
  }

  /** After the end of the transaction that claimed. Its slots are kept until what was claimed holds them itself. */
  async function begin({ ids, executions }: Claim, slots: number, committed: boolean): Promise<void> {
    let claimed: readonly ClaimedExecution[] = [];
    try {
      if (committed) claimed = await executions;
      else doubt.add(ids);
      for (const execution of claimed) launch(execution);
    } finally {
      release(slots);
    }
    if (!committed || claimed.length === ids.length) return;
    // Jobs without an execution to run: it was cancelled, or the event had been stored before.
    const running = new Set(claimed.map((execution) => execution.id));
    const idle = ids.filter((id) => !running.has(id));
    await storage.transaction((tx) => queue.complete(tx, idle));
  }

  /** Starts what was claimed after all. Only while no claim is under way, which might take the same jobs. */
  async function resolveDoubt(): Promise<void> {
    const due = await storage.transaction((tx) => stillRunning(tx, [...doubt.open], owner));
    doubt.asked();
    for (const execution of due) launch(execution);
  }

  /** Takes jobs until there are no more or no slot is free. */
  async function look(): Promise<void> {
    do {
      lookAgain = false;
      waiting = false;
      if (doubt.open.size > 0 && claiming === 0) await resolveDoubt();
      while (await takeSome());
    } while (lookAgain);
  }

  /** Whether there may be more to take at once. */
  async function takeSome(): Promise<boolean> {
    // The transaction that is about to store results takes the next jobs along: one instead of two.
    const count = recorder.unsent > 0 ? 0 : free();
    if (count <= 0) {
      waiting = true;
      return false;
    }
    claiming += count;
    let claimed: Claim | undefined;
    let committed = false;
    try {
      await storage.transaction(async (tx) => {
        claimed = await claim(tx, count);
      });
      committed = true;
    } finally {
      if (claimed) await begin(claimed, count, committed);
      else release(count);
    }
    return claimed?.full === true;
  }

  const api: Executor = {
    async start() {
      await storage.transaction(async (tx) => {
        const abandoned = await abandonRunning(tx, owner);
        if (abandoned.length === 0) return;
        await queue.complete(tx, abandoned);
        log.warn("executions of an earlier daemon are abandoned", { count: abandoned.length });
      });
      poll = setInterval(() => {
        doubt.reopen();
        api.wake();
      }, pollEvery);
      api.wake();
    },
    wake() {
      if (looking) {
        lookAgain = true;
        return;
      }
      if (free() <= 0 && (doubt.open.size === 0 || stopping)) {
        waiting = true;
        return;
      }
      looking = look()
        .catch((thrown) => log.warn("cannot fetch jobs; trying again", { error: toError(thrown).message }))
        .finally(() => {
          looking = undefined;
          if (lookAgain) api.wake();
        });
    },
    async claimWithin(tx) {
      const count = free();
      // Others can see the jobs only once they are committed, so that is when to look for a slot again.
      if (count <= 0) return { settle: (committed) => committed && api.wake() };
      claiming += count;
      waiting = false;
      try {
        const claimed = await claim(tx, count);
        return {
          settle(committed) {
            void begin(claimed, count, committed)
              .catch((thrown) => log.warn("jobs without an execution stay", { error: toError(thrown).message }))
              .finally(() => {
                if (claimed.full || waiting || doubt.open.size > 0) api.wake();
              });
          },
        };
      } catch (thrown) {
        release(count);
        throw thrown;
      }
    },
    reserve(ids) {
      const slots = waiting || looking ? 0 : Math.max(0, Math.min(ids.length, free()));
      const reserved = new Set(ids.slice(0, slots));
      claiming += slots;
      return {
        ids: reserved,
        settle(committed, made) {
          if (committed) for (const execution of made) launch(execution);
          else doubt.add(reserved);
          release(slots);
          if (doubt.open.size > 0 || waiting) api.wake();
        },
      };
    },
    output: (id) => active.get(id),
    finished: async (id) => active.get(id)?.stored,
    get running() {
      return occupied;
    },
    async stop(drain) {
      stopping = true;
      clearInterval(poll);
      await looking;
      noteIdle();
      if (active.size > 0) log.info("waiting for running executions", { count: active.size, seconds: drain / 1_000 });
      await Promise.race([over.promise, Bun.sleep(drain)]);
      drained = true;
      for (const { run } of active.values()) abandon(run);
      await Promise.all([...active.values()].map(({ run }) => run.finished));
      const timer = setTimeout(recorder.giveUp, storeLimit);
      await over.promise;
      clearTimeout(timer);
    },
  };
  return api;
}
