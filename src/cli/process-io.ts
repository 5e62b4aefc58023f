import type { Io } from "./io.ts";

/** The world of this process. Errors of the two streams are left to their `error` listeners. */
export function processIo({ signal, uncaught }: Pick<Io, "signal" | "uncaught">): Io {
  const write = (stream: NodeJS.WriteStream, data: string | Uint8Array) =>
    data.length === 0 ? Promise.resolve() : new Promise<void>((resolve) => void stream.write(data, () => resolve()));
  return {
    out: (text) => write(process.stdout, text),
    outBytes: (bytes) => write(process.stdout, bytes),
    err: (text) => write(process.stderr, text),
    readStdin: () => Bun.stdin.text(),
    terminal: process.stdout.isTTY === true,
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    env: process.env,
    cwd: process.cwd(),
    signal,
    uncaught,
  };
}
