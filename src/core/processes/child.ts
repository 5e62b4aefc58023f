import { closeSync, existsSync, readFileSync } from "node:fs";
import type { FileSink } from "bun";
import { AttuneError, toError } from "../errors.ts";
import { memoryFile } from "../libc.ts";
import type { Awaitable, ProcessInfo } from "../plugin.ts";
import { type OutputPipes, openOutput, type Reader, settleWithin } from "./output.ts";

export interface ChildSpec {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** Where the pack's files lie that it runs from; they must stay there while it lives. */
  readonly packDir: string;
  /** Directory of the pack's own environment that it runs in; it must stay there while it lives. */
  readonly environment?: string | null;
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  /** Text: written, then end of file. `open`: a pipe to `Child.send` to. */
  readonly stdin: { readonly text: string } | "open" | "none";
  /** Each chunk is awaited before the next is read, so a slow reader stops the child's writes, not the daemon's memory. */
  readonly onStdout: (chunk: Uint8Array) => Awaitable<void>;
  readonly onStderr: (chunk: Uint8Array) => Awaitable<void>;
  /** Open descriptors that it inherits as 3 and following. */
  readonly descriptors?: readonly number[];
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
  const output = openOutput();
  let process_: ReturnType<typeof spawn>;
  try {
    process_ = spawn(spec, output);
  } catch (thrown) {
    output.discard();
    throw cannotStart(spec, toError(thrown));
  } finally {
    output.closeWriteEnds();
  }
  const { pid, stdin } = process_;
  const ended = process_.exited.then(
    (): Exit =>
      process_.signalCode === null
        ? { code: process_.exitCode ?? 0, signal: null }
        : { code: null, signal: String(process_.signalCode) },
  );
  return attend({ pid, ended, output: output.read(spec), stdin: stdin && typeof stdin === "object" ? stdin : null });
}

/**
 * Sees a process that leads its own group to its end. `ended` says how the process itself came to it.
 */
export function attend(process_: {
  pid: number;
  ended: Promise<Exit>;
  output: readonly Reader[];
  stdin: FileSink | null;
}): Child {
  const { pid, output, stdin } = process_;

  function signal(name: "SIGTERM" | "SIGKILL"): void {
    try {
      process.kill(-pid, name);
    } catch {
      // ESRCH: nothing of the group is left.
    }
  }

  async function wait(): Promise<Exit> {
    try {
      return await process_.ended;
    } finally {
      await settleWithin(drainLimit, output);
      // Whatever the child left behind in its group ends with it.
      signal("SIGKILL");
      for (const reader of output) reader.finish();
      await Promise.all(output.map((reader) => reader.done));
    }
  }
  const exited = wait();

  return {
    pid,
    exited,
    signal,
    async send(text) {
      if (!stdin) throw new Error("this child has no stdin to write to");
      stdin.write(text);
      await stdin.flush();
    },
    async stop(grace) {
      // The child may have closed its end, or never read what was sent: no reason to stop it later.
      if (stdin) void Promise.try(() => stdin.end()).catch(() => {});
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

function spawn(spec: ChildSpec, output: OutputPipes) {
  const stdin = spec.stdin === "open" ? "pipe" : spec.stdin === "none" ? "ignore" : memoryFile(spec.stdin.text);
  try {
    return Bun.spawn({
      cmd: [...spec.argv],
      cwd: spec.cwd,
      env: { ...spec.env },
      stdio: [stdin, output.stdout, output.stderr, ...(spec.descriptors ?? [])],
      detached: true,
    });
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
