import { join, resolve } from "node:path";
import type { Logger, WarmServer } from "../../src/core/plugin.ts";
import { type Child, type ChildSpec, type Exit, startChild } from "../../src/core/processes/child.ts";
import { adoptingOrphans } from "../../src/core/processes/orphans.ts";
import { createWarmStarts, type WarmPolicy, type WarmStarts } from "../../src/core/processes/warm-starts.ts";
import { createScope } from "../../src/core/scope.ts";
import { python } from "../../src/plugins/runtimes/python.ts";
import { repository } from "./script.ts";
import { until } from "./until.ts";

const serverFile = resolve(repository, "src/plugins/runtimes/python-warm.py");

export interface Finished {
  readonly exit: Exit;
  readonly stdout: string;
  readonly stderr: string;
}
export interface StartOptions {
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: ChildSpec["stdin"];
}
export interface Started {
  readonly child: Child;
  readonly finished: Promise<Finished>;
}

/** Fork servers for one Python, without a daemon. */
export interface WarmPython extends AsyncDisposable {
  readonly log: readonly string[];
  /** Pids of the fork servers, those coming up included, the newest last. */
  servers(): readonly number[];
  /** Starts a script of `dir` cold, or the way the daemon would. */
  start(how: "cold" | "warm", script: string, options?: StartOptions): Promise<Started>;
  run(how: "cold" | "warm", script: string, options?: StartOptions): Promise<Finished>;
  /** Resolves when the next script will be started warm. */
  ready(): Promise<void>;
}

export const generousPolicy: WarmPolicy = { startLimit: 10_000, deaths: 1_000_000, within: 1, rest: 1 };

/** `program` is the interpreter; scripts are found below `dir`, which is also where they run. */
export async function startWarmPython(
  program: string,
  dir: string,
  { idle = 60_000, policy = generousPolicy }: { idle?: number; policy?: WarmPolicy } = {},
): Promise<WarmPython> {
  const log: string[] = [];
  const logger: Logger = {
    debug() {},
    info: (message) => void log.push(message),
    warn: (message, fields) => void log.push(`${message} ${JSON.stringify(fields)}`),
    error: (message, fields) => void log.push(`${message} ${JSON.stringify(fields)}`),
    child: () => logger,
  };
  const scope = createScope("warm", logger);
  const orphans = adoptingOrphans(scope);
  if (!orphans) throw new Error("this kernel does not give orphans to another parent");
  const base = { PATH: "/usr/bin:/bin", HOME: dir, LANG: "C.UTF-8", ATTUNE_DAEMON_ID: dir };
  const servers: number[] = [];
  const start = (spec: ChildSpec) => {
    const child = startChild(spec);
    servers.push(child.pid);
    const forget = () => void servers.splice(servers.indexOf(child.pid), 1);
    child.exited.then(forget, forget);
    return child;
  };
  const starts: WarmStarts = createWarmStarts({ start, environment: base, idle, orphans, scope, log: logger, policy });

  async function launch(how: "cold" | "warm", script: string, options: StartOptions = {}): Promise<Started> {
    const made = await python(serverFile).launch({
      kind: "action",
      ref: "p.a",
      entrypoint: join(dir, script),
      inline: false,
      pack: { ref: "p", dir },
      interpreter: { path: program, version: "3.8.0" },
      environment: null,
    });
    const output = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    const spec: ChildSpec = {
      argv: [...made.argv, ...(options.args ?? [])],
      cwd: options.cwd ?? dir,
      packDir: dir,
      env: { ...base, ...made.env, ...options.env },
      stdin: options.stdin ?? "none",
      onStdout: (chunk) => void output.stdout.push(chunk),
      onStderr: (chunk) => void output.stderr.push(chunk),
    };
    const child = how === "cold" ? startChild(spec) : await starts.start(spec, made.warm as WarmServer);
    const text = (chunks: readonly Uint8Array[]) => Buffer.concat(chunks).toString();
    const finished = child.exited.then((exit) => ({ exit, stdout: text(output.stdout), stderr: text(output.stderr) }));
    finished.catch(() => {}); // For whoever asks.
    return { child, finished };
  }

  const run: WarmPython["run"] = async (how, script, options) => (await launch(how, script, options)).finished;
  await Bun.write(join(dir, "who.py"), "import os; print(os.getppid())\n");
  return {
    log,
    servers: () => servers,
    start: launch,
    run,
    async ready() {
      await until("a script is started warm", async () => Number((await run("warm", "who.py")).stdout) !== process.pid);
    },
    [Symbol.asyncDispose]: () => scope.end(),
  };
}
