import { dlopen, ptr } from "bun:ffi";
import { writeSync } from "node:fs";

const names = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
const O_CLOEXEC = 0o2000000;

function open() {
  for (const name of names) {
    try {
      return dlopen(name, {
        pipe2: { args: ["ptr", "i32"], returns: "i32" },
        memfd_create: { args: ["ptr", "u32"], returns: "i32" },
        flock: { args: ["i32", "i32"], returns: "i32" },
      }).symbols;
    } catch {
      // Not this C library; the next name is the other one.
    }
  }
  throw new Error(`no C library found (tried ${names.join(", ")})`);
}

let symbols: ReturnType<typeof open> | undefined;

/**
 * A pipe as [read end, write end], closed on exec. Bun and Node connect a child's output by sockets, on which
 * `echo x > /dev/stderr` and the like fail with ENXIO; scripts may rely on real pipes.
 */
export function pipe(): [number, number] {
  symbols ??= open();
  const ends = new Int32Array(2);
  if (symbols.pipe2(ptr(ends), O_CLOEXEC) !== 0) throw new Error("no file descriptor left for a pipe");
  return [ends[0]!, ends[1]!];
}

const MFD_CLOEXEC = 1;
const memoryFileName = Buffer.from("attune\0");

/**
 * An open file in memory that holds `text`, at its beginning, closed on exec. Given to a child as stdin it is read like a
 * redirected file. Bun makes the same of a Buffer, but closes its own end only when the garbage collector comes by.
 */
export function memoryFile(text: string): number {
  symbols ??= open();
  const fd = symbols.memfd_create(ptr(memoryFileName), MFD_CLOEXEC);
  if (fd < 0) throw new Error("no file descriptor left for a file in memory");
  const bytes = Buffer.from(text);
  // At a position, which leaves the one the child starts from at 0.
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(fd, bytes, done, bytes.byteLength - done, done);
  return fd;
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Takes the exclusive lock of an open file without waiting; false when another open file has it. Ends with the descriptor. */
export function tryLock(fd: number): boolean {
  symbols ??= open();
  return symbols.flock(fd, LOCK_EX | LOCK_NB) === 0;
}
