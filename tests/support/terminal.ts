import type { Io } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/run.ts";

interface Written {
  readonly out: string;
  readonly err: string;
}

/** A terminal for one command line in this process. Without `columns` standard output is a pipe. */
export function terminal(options: { env?: Record<string, string>; cwd: string; stdin?: string; columns?: number }) {
  let out = "";
  let err = "";
  const interrupted = new AbortController();
  const io: Io = {
    async out(text) {
      out += text;
    },
    async outBytes(bytes) {
      out += new TextDecoder().decode(bytes);
    },
    async err(text) {
      err += text;
    },
    readStdin: async () => options.stdin ?? "",
    terminal: options.columns !== undefined,
    columns: options.columns,
    env: options.env ?? {},
    cwd: options.cwd,
    signal: interrupted.signal,
    uncaught: () => () => {},
  };
  return {
    run: async (argv: readonly string[]): Promise<Written & { code: number }> => ({ code: await runCli(argv, io), out, err }),
    written: (): Written => ({ out, err }),
    interrupt: (signal: "SIGINT" | "SIGTERM") => interrupted.abort(signal),
  };
}
