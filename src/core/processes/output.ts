import { closeSync } from "node:fs";
import { pipe } from "../libc.ts";
import type { Awaitable } from "../plugin.ts";

/** The pipes of a process that is about to start. */
export interface OutputPipes {
  /** Descriptors for the process. */
  readonly stdout: number;
  readonly stderr: number;
  /** Once the process has got them, or won't. */
  closeWriteEnds(): void;
  /** Begins to read. */
  read(to: OutputReaders): readonly [Reader, Reader];
  /** In place of reading, when nothing was started. */
  discard(): void;
}
export interface OutputReaders {
  readonly onStdout: (chunk: Uint8Array) => Awaitable<void>;
  readonly onStderr: (chunk: Uint8Array) => Awaitable<void>;
}

export function openOutput(): OutputPipes {
  const close = (...descriptors: readonly number[]) => descriptors.forEach((descriptor) => void closeSync(descriptor));
  const [stdoutRead, stdout] = pipe();
  const [stderrRead, stderr] = pipeOr(() => close(stdoutRead, stdout));
  return {
    stdout,
    stderr,
    closeWriteEnds: () => close(stdout, stderr),
    read: (to) => [readPipe(stdoutRead, to.onStdout), readPipe(stderrRead, to.onStderr)],
    discard: () => close(stdoutRead, stderrRead),
  };
}

/** A pipe; when there is no descriptor left for one, `undo` gives back those that were for the same process. */
export function pipeOr(undo: () => void): [number, number] {
  try {
    return pipe();
  } catch (thrown) {
    undo();
    throw thrown;
  }
}

export interface Reader {
  /** Resolves when all was delivered and the descriptor is closed. */
  readonly done: Promise<void>;
  /** Takes what lies in the pipe by now and then ends, whoever may still hold its other end. */
  finish(): void;
}

/** At least what a pipe and the stream in front of it hold. */
const pipeSize = 512 * 1024;
/** Milliseconds after which a pipe that gives nothing is empty. */
const emptyAfter = 100;

/**
 * Bytes of chunks that may wait for the garbage collector. By itself it lets them grow as large as the heap, which is more
 * than 100 MB for some seconds after a start.
 */
const collectAfter = 32 * 1024 * 1024;

/** Delivers what is written to a pipe, chunk after chunk, and closes it. */
export function readPipe(fd: number, deliver: (chunk: Uint8Array) => Awaitable<void>): Reader {
  const reader = Bun.file(fd).stream().getReader();
  let left = Number.POSITIVE_INFINITY;
  let finishing = false;
  let uncollected = 0;
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
        uncollected += value.byteLength;
        if (uncollected > collectAfter) {
          uncollected = 0;
          Bun.gc(false);
        }
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

/** Resolves when all of them are done, at the latest after `ms` milliseconds. */
export async function settleWithin(ms: number, readers: readonly Reader[]): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([Promise.all(readers.map((reader) => reader.done)), limit]);
  clearTimeout(timer);
}
