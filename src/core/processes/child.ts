import { closeSync, existsSync, readFileSync } from "node:fs";
import { AttuneError, toError } from "../errors.ts";
import { memoryFile, pipe } from "../libc.ts";
import type { Awaitable, ProcessInfo } from "../plugin.ts";

export interface ChildSpec {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** Where the pack's files lie that it runs from; they must stay there while it lives. */
  readonly packDir: string;
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  /** Text: written, then end of file. `open`: a pipe to `Child.send` to. */
  readonly stdin: { readonly text: string } | "open" | "none";
  /** Each chunk is awaited before the next is read, so a slow reader stops the child's writes, not the daemon's memory. */
  readonly onStdout: (chunk: Uint8Array) => Awaitable<void>;
  readonly onStderr: (chunk: Uint8Array) => Awaitable<void>;
  /** What observers are told of it; nothing when absent. */
  readonly component?: Omit<ProcessInfo, "pid">;
}

export interface Child {
  readonly pid: number;
  /** Resolves once the child has exited, its output was read to the end and nothing of its group is left. */
  readonly exited: Promise<Exit>;
  /** Writes to an `open` stdin. Rejects when the child does not read any more. */
  send(text: string): Promise<void>;
  /** Signals the whole process group; a group that is gone is no error. */
  signal(signal: "SIGTERM" | "SIGKILL"): void;
  /** End of stdin and SIGTERM to the group; SIGKILL after `grace` milliseconds. */
  stop(grace: number): Promise<Exit>;
}

/** `code` is null when a signal ended the child. */
export type Exit = { readonly code: number; readonly signal: null } | { readonly code: null; readonly signal: string };

/** How long output may still arrive from descendants that hold the pipes after the child itself has exited. */
const drainLimit = 1_000;

/**
 * Starts a process as the leader of its own group. The only place that starts what packs bring. Throws
 * RUNTIME_UNAVAILABLE when the program can't be started (missing, not executable, arguments too long).
 */
export function startChild(spec: ChildSpec): Child {
  const [stdoutRead, stdoutWrite] = pipe();
  const [stderrRead, stderrWrite] = pipe();
  let process_: ReturnType<typeof spawn>;
  try {
    process_ = spawn(spec, stdoutWrite, stderrWrite);
  } catch (thrown) {
    closeSync(stdoutRead);
    closeSync(stderrRead);
    throw cannotStart(spec, toError(thrown));
  } finally {
    closeSync(stdoutWrite);
    closeSync(stderrWrite);
  }
  const { pid } = process_;
  const readers = [read(stdoutRead, spec.onStdout), read(stderrRead, spec.onStderr)];

  function signal(name: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-pid, name);
    } catch {
      // ESRCH: nothing of the group is left.
    }
  }

  async function wait(): Promise<Exit> {
    await process_.exited;
    await settleWithin(drainLimit, readers);
    // Whatever the child left behind in its group ends with it.
    signal("SIGKILL");
    for (const reader of readers) reader.finish();
    await Promise.all(readers.map((reader) => reader.done));
    return process_.signalCode === null
      ? { code: process_.exitCode ?? 0, signal: null }
      : { code: null, signal: String(process_.signalCode) };
  }
  const exited = wait();

  return {
    pid,
    exited,
    signal,
    async send(text) {
      const sink = process_.stdin;
      if (!sink || typeof sink === "number") throw new Error("this child has no stdin to write to");
      sink.write(text);
      await sink.flush();
    },
    async stop(grace) {
      const sink = process_.stdin;
      // The child may have closed its end, or never read what was sent: no reason to stop it later.
      if (sink && typeof sink !== "number") void Promise.try(() => sink.end()).catch(() => {});
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), grace);
      try {
        return await exited;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function spawn(spec: ChildSpec, stdout: number, stderr: number) {
  const stdin = spec.stdin === "open" ? "pipe" : spec.stdin === "none" ? "ignore" : memoryFile(spec.stdin.text);
  try {
    return Bun.spawn({ cmd: [...spec.argv], cwd: spec.cwd, env: { ...spec.env }, stdin, stdout, stderr, detached: true });
  } finally {
    if (typeof stdin === "number") closeSync(stdin);
  }
}

function cannotStart(spec: ChildSpec, error: Error): AttuneError {
  const code = (error as NodeJS.ErrnoException).code;
  // The kernel says the same of a missing program and of a missing directory to start it in.
  if (code === "ENOENT" && !existsSync(spec.cwd)) {
    return new AttuneError("RUNTIME_UNAVAILABLE", `cannot start ${spec.argv[0]}: its directory ${spec.cwd} is gone`, {
      cause: error,
    });
  }
  const hint =
    code === "ENOENT"
      ? "install it, or check the interpreter line of the script"
      : code === "EACCES"
        ? `make it executable: chmod +x ${spec.argv[0]}`
        : code === "E2BIG"
          ? "the environment or the arguments are too large; deliver parameters by stdin"
          : undefined;
  return new AttuneError("RUNTIME_UNAVAILABLE", `cannot start ${spec.argv[0]}: ${error.message}`, { hint, cause: error });
}

interface Reader {
  /** Resolves when all was delivered and the descriptor is closed. */
  readonly done: Promise<void>;
  /** Takes what lies in the pipe by now and then ends, whoever may still hold its other end. */
  finish(): void;
}

/** At least what a pipe and the stream in front of it hold. */
const pipeSize = 512 * 1024;
/** Milliseconds after which a pipe that gives nothing is empty. */
const emptyAfter = 100;

function read(fd: number, deliver: (chunk: Uint8Array) => Awaitable<void>): Reader {
  const reader = Bun.file(fd).stream().getReader();
  let left = Number.POSITIVE_INFINITY;
  let finishing = false;
  let waiting = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  // The pending read then resolves as done.
  const cancel = () => void reader.cancel().catch(() => {});
  const cancelWhenEmpty = () => {
    timer = setTimeout(cancel, emptyAfter);
  };

  async function loop(): Promise<void> {
    try {
      while (left > 0) {
        waiting = true;
        if (finishing) cancelWhenEmpty();
        const { done, value } = await reader.read();
        waiting = false;
        clearTimeout(timer);
        if (done) return;
        left -= value.byteLength;
        await deliver(value);
      }
      cancel();
    } finally {
      closeSync(fd);
    }
  }

  return {
    done: loop(),
    finish() {
      finishing = true;
      left = pipeSize;
      if (waiting) cancelWhenEmpty();
    },
  };
}

async function settleWithin(ms: number, readers: readonly Reader[]): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(readers.map((reader) => reader.done)), limit]);
  clearTimeout(timer);
}

/** Start time of a process in clock ticks since boot, or null when there is no such process (a zombie counts as none). */
export function startTicksOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command name is in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
