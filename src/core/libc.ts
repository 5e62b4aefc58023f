import { dlopen, ptr } from "bun:ffi";
import { closeSync, writeSync } from "node:fs";

const names = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];
const O_CLOEXEC = 0o2000000;

function open() {
  for (const name of names) {
    try {
      return dlopen(name, {
        pipe2: { args: ["ptr", "i32"], returns: "i32" },
        memfd_create: { args: ["ptr", "u32"], returns: "i32" },
        flock: { args: ["i32", "i32"], returns: "i32" },
        socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
        sendmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
        prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
        waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
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
  try {
    // At a position, which leaves the one the child starts from at 0.
    for (let done = 0; done < bytes.byteLength; ) done += writeSync(fd, bytes, done, bytes.byteLength - done, done);
    return fd;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Takes the exclusive lock of an open file without waiting; false when another open file has it. Ends with the descriptor. */
export function tryLock(fd: number): boolean {
  symbols ??= open();
  return symbols.flock(fd, LOCK_EX | LOCK_NB) === 0;
}

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

function openRename() {
  for (const name of names) {
    try {
      return dlopen(name, { renameat2: { args: ["i32", "ptr", "i32", "ptr", "u32"], returns: "i32" } }).symbols.renameat2;
    } catch {
      // Not this C library, or one that is too old.
    }
  }
  return null;
}

/**
 * Lets two paths of one file system change places in one step; false, with nothing changed, where kernel, C library or file
 * system can't.
 */
export function exchange(one: string, other: string): boolean {
  const rename = openRename();
  const [from, to] = [Buffer.from(`${one}\0`), Buffer.from(`${other}\0`)];
  return rename?.(AT_FDCWD, ptr(from), AT_FDCWD, ptr(to), RENAME_EXCHANGE) === 0;
}

const AF_UNIX = 1;
const SOCK_SEQPACKET_CLOEXEC = 5 | 0o2000000;

/** Two connected sockets that keep the borders of messages, closed on exec. */
export function messageSockets(): [number, number] {
  symbols ??= open();
  const ends = new Int32Array(2);
  if (symbols.socketpair(AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, ptr(ends)) !== 0)
    throw new Error("no file descriptor left for a socket");
  return [ends[0]!, ends[1]!];
}

const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/**
 * Sends one message together with open descriptors, without waiting. The receiver gets descriptors of its own. False when
 * nothing was sent: the other end is gone, or has too much to read already.
 */
export function sendDescriptors(socket: number, message: string, descriptors: readonly number[]): boolean {
  symbols ??= open();
  // One block, so that none of it can be collected before the call: the structs msghdr, iovec and cmsghdr of a 64-bit
  // system, each at a multiple of 8, then the text.
  const text = Buffer.from(message);
  const [vector, control] = [56, 72];
  const controlLength = 16 + 8 * Math.ceil(descriptors.length / 2);
  const bytes = new Uint8Array(control + controlLength + text.byteLength);
  bytes.set(text, control + controlLength);
  const block = new DataView(bytes.buffer);
  const start = ptr(bytes);
  const setWord = (offset: number, value: number) => block.setBigUint64(offset, BigInt(value), true);
  setWord(16, start + vector);
  setWord(24, 1);
  setWord(32, start + control);
  setWord(40, controlLength);
  setWord(vector, start + control + controlLength);
  setWord(vector + 8, text.byteLength);
  setWord(control, 16 + 4 * descriptors.length);
  block.setInt32(control + 8, SOL_SOCKET, true);
  block.setInt32(control + 12, SCM_RIGHTS, true);
  for (const [i, descriptor] of descriptors.entries()) block.setInt32(control + 16 + 4 * i, descriptor, true);
  return Number(symbols.sendmsg(socket, ptr(bytes), MSG_DONTWAIT_NOSIGNAL)) === text.byteLength;
}

const PR_SET_CHILD_SUBREAPER = 36;

/** From now on processes whose parent has died become children of this process. False where the kernel can't. */
export function adoptOrphans(): boolean {
  symbols ??= open();
  return symbols.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0;
}

const WNOHANG = 1;

/**
 * Reaps a child that has ended. `none`: it is no child of this process, or not any more; null: it still runs. Never to be
 * used on what Bun has started, which reaps that itself.
 */
export function reap(pid: number): { readonly code: number } | { readonly signal: number } | "none" | null {
  symbols ??= open();
  const status = new Int32Array(1);
  const reaped = symbols.waitpid(pid, ptr(status), WNOHANG);
  if (reaped === 0) return null;
  if (reaped !== pid) return "none";
  const bits = status[0]!;
  return (bits & 0x7f) === 0 ? { code: (bits >> 8) & 0xff } : { signal: bits & 0x7f };
}
