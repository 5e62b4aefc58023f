/** Milliseconds. */
const timeLimit = 10_000;
/** Bytes of each stream. */
const outputLimit = 64 * 1024;

export interface Answer {
  readonly exitCode: number;
  /** What it wrote to stdout, then what to stderr. */
  readonly output: string;
}

/**
 * Runs a program that answers a question, such as for its version, and ends: no input, at most 10 seconds and 64 KiB of
 * output. Rejects with an Error whose message says why there is no answer.
 */
export async function askProgram(argv: readonly [string, ...string[]], env: Readonly<Record<string, string>>): Promise<Answer> {
  const [program] = argv;
  const child = Bun.spawn([...argv], { env: { ...env }, stdin: "ignore", stdout: "pipe", stderr: "pipe", detached: true });
  let failure: Error | undefined;
  const giveUp = (reason: string) => {
    failure ??= new Error(`${program} ${reason}`);
    endGroup(child.pid);
  };
  const timer = setTimeout(() => giveUp(`gave no answer within ${timeLimit / 1_000} seconds`), timeLimit);
  // What the program leaves running would hold its output open.
  void child.exited.then(() => endGroup(child.pid));
  const tooMuch = () => giveUp(`answered with more than ${outputLimit / 1024} KiB`);
  const [stdout, stderr] = await Promise.all([read(child.stdout, tooMuch), read(child.stderr, tooMuch)]);
  const exitCode = await child.exited;
  clearTimeout(timer);
  if (failure) throw failure;
  if (child.signalCode !== null) throw new Error(`${program} was ended by ${child.signalCode}`);
  return { exitCode, output: stdout + stderr };
}

async function read(stream: ReadableStream<Uint8Array>, tooMuch: () => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > outputLimit) tooMuch();
    else chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of the group is left.
  }
}
