import { resolve } from "node:path";

export const repository = resolve(import.meta.dir, "../..");

/** Runs a file as the daemon runs TypeScript: with the SDK and nothing of the surroundings. */
export function typescriptCommand(file: string): [string, ...string[]] {
  const preload = resolve(repository, "src/sdk/preload.ts");
  return [
    process.execPath,
    "run",
    "--no-install",
    "--no-env-file",
    "--config=/dev/null",
    "--preload",
    preload,
    resolve(repository, file),
  ];
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end in a clean environment. `stdin` defaults to nothing. */
export async function runCommand(
  command: [string, ...string[]],
  { env = {}, stdin = "", cwd = repository }: { env?: Record<string, string>; stdin?: string; cwd?: string } = {},
): Promise<Output> {
  const child = Bun.spawn(command, {
    cwd,
    env: { PATH: process.env["PATH"], ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** A process whose lines arrive as they are printed. */
export interface RunningScript extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** Parsed lines of stdout so far. */
  readonly events: Line[];
  /** The text of stderr so far. */
  log(): string;
  send(message: object): void;
  endStdin(): void;
  kill(signal: NodeJS.Signals): void;
}
/** One enveloped event, contract 3.4. */
export interface Line {
  readonly trigger_ref: string;
  readonly trigger_instance_id?: string;
  readonly event_id?: string;
  readonly payload: Record<string, unknown>;
  readonly checkpoint?: { readonly count: number; readonly last_scheduled_at: string };
}

/** Starts a sensor; it is killed when the value is disposed of. `stdin: "none"` gives it `/dev/null`. */
export function startScript(
  command: [string, ...string[]],
  { env = {}, stdin = "pipe" }: { env?: Record<string, string>; stdin?: "pipe" | "none" } = {},
): RunningScript {
  const child = Bun.spawn(command, {
    cwd: repository,
    env: { PATH: process.env["PATH"], ...env },
    stdin: stdin === "pipe" ? "pipe" : "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const events: Line[] = [];
  let log = "";
  const reading = Promise.all([
    eachText(
      child.stdout,
      splitLines((line) => events.push(JSON.parse(line))),
    ),
    eachText(child.stderr, (text) => {
      log += text;
    }),
  ]);
  return {
    pid: child.pid,
    exited: child.exited,
    events,
    log: () => log,
    send(message) {
      child.stdin?.write(`${JSON.stringify(message)}\n`);
      child.stdin?.flush();
    },
    endStdin: () => void child.stdin?.end(),
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      await reading;
    },
  };
}

async function eachText(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

function splitLines(take: (line: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(take);
  };
}
