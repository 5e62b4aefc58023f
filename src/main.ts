import { version } from "./cli/version.ts";

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
  console.log(`attune ${version}`);
} else if (["try-plugin", "check-plugin", "unpack-archive"].includes(argv[0] ?? "")) {
  // Taken before a plugin can replace it.
  const { exit } = process;
  const { runJob } = await import("./cli/jobs.ts");
  const ended = new AbortController();
  process.on("SIGTERM", () => ended.abort());
  await runJob(argv, ended.signal);
  exit.call(process, 0);
} else {
  await main(argv);
}

async function main(words: readonly string[]): Promise<void> {
  const { processIo } = await import("./cli/process-io.ts");
  const { runCli } = await import("./cli/run.ts");
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (interrupted.signal.aborted) process.exit(signal === "SIGINT" ? 130 : 143);
      interrupted.abort(signal);
    });
  }
  // Who reads the output has seen enough.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  process.stderr.on("error", () => process.exit(1));
  process.exit(await runCli(words, processIo({ signal: interrupted.signal, uncaught })));
}

function uncaught(listener: (thrown: unknown) => void): () => void {
  const events = ["uncaughtException", "unhandledRejection"] as const;
  for (const event of events) process.on(event, listener);
  return () => {
    for (const event of events) process.off(event, listener);
  };
}
