import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeProject, type Output, type Project, type ProjectOptions } from "./project.ts";
import { isRunning } from "./running.ts";
import { until } from "./until.ts";

/** A daemon in a project of its own, on a free port, and the command line beside it. */
export interface TestDaemon extends AsyncDisposable {
  readonly project: Project;
  readonly dir: string;
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  cli(...args: readonly string[]): Promise<Output>;
  /** A GET of the API; `path` starts after `/api/v1`. */
  get<T>(path: string): Promise<T>;
  /** Everything it has written to the terminal, over all starts. */
  log(): string;
  /** Ends the daemon as the kernel's out-of-memory killer does. */
  kill9(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number>;
  /** Resolves with the exit code once it has ended, for whatever reason; -1 when a signal ended it. */
  exited(): Promise<number>;
  /** Starts it again; it must not be running. */
  restart(): Promise<void>;
  /** The same without waiting until it is ready. */
  launch(): void;
  /** Resolves when the daemon that was launched last is ready; rejects with its log when it ends before. */
  ready(): Promise<void>;
}

const startTimeout = 30_000;
/** A little more than the time a daemon gives its running actions. */
const stopTimeout = 45_000;

/**
 * Starts a daemon and waits until it is ready. Disposing of it stops it, fails when a process of it is left, and removes
 * the project.
 */
export async function startDaemon(options: ProjectOptions = {}): Promise<TestDaemon> {
  const project = makeProject(options);
  const daemon = daemonIn(project);
  try {
    daemon.launch();
    await daemon.ready();
  } catch (thrown) {
    await daemon[Symbol.asyncDispose]();
    throw thrown;
  }
  return daemon;
}

/** The daemon of a project, not started yet. */
export function daemonIn(project: Project): TestDaemon {
  const logFile = join(project.scratch, "daemon.log");
  let child: Bun.Subprocess | undefined;
  let url = "";

  const log = () => {
    try {
      return readFileSync(logFile, "utf8");
    } catch {
      return ""; // Never launched.
    }
  };
  const token = () => readFileSync(join(project.dataDir, "token"), "utf8").trim();

  async function end(signal: "SIGTERM" | "SIGKILL"): Promise<number> {
    if (!child) throw new Error("the daemon was never started");
    child.kill(signal);
    const ended = await Promise.race([child.exited.then(() => true), Bun.sleep(stopTimeout)]);
    if (ended !== true) {
      child.kill("SIGKILL");
      throw new Error(`the daemon did not stop in ${stopTimeout} ms:\n${log()}`);
    }
    return child.exitCode ?? -1;
  }

  const daemon: TestDaemon = {
    project,
    dir: project.dir,
    get url() {
      return url;
    },
    get token() {
      return token();
    },
    get pid() {
      if (!child) throw new Error("the daemon was never started");
      return child.pid;
    },
    cli: project.cli,
    async get<T>(path: string) {
      const response = await fetch(`${url}/api/v1${path}`, { headers: { Authorization: `Bearer ${token()}` } });
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
      const body = (await response.json()) as { data?: T; items?: T };
      return (body.items ?? body.data) as T;
    },
    log,
    async kill9() {
      await end("SIGKILL");
    },
    stop: () => end("SIGTERM"),
    async exited() {
      await child?.exited;
      return child?.exitCode ?? -1;
    },
    async restart() {
      daemon.launch();
      await daemon.ready();
    },
    launch() {
      if (child && child.exitCode === null && child.signalCode === null) throw new Error("the daemon is still running");
      const file = openSync(logFile, "a");
      child = Bun.spawn(project.command(["daemon"]), {
        cwd: project.dir,
        env: project.env,
        stdin: "ignore",
        stdout: file,
        stderr: file,
      });
      closeSync(file);
    },
    async ready() {
      const started = child;
      if (!started) throw new Error("the daemon was never started");
      await until(
        "the daemon is ready",
        () => {
          if (started.exitCode !== null || started.signalCode !== null) return true;
          const announced = JSON.parse(readFileSync(join(project.dataDir, "daemon.json"), "utf8"));
          url = announced.url;
          return announced.pid === started.pid;
        },
        { timeout: startTimeout },
      ).catch((thrown) => {
        throw new Error(`${thrown}\n${log()}`);
      });
      if (started.exitCode !== null) {
        console.error(log());
        throw new Error(`the daemon ended with ${started.exitCode} before it was ready`);
      }
      if (started.signalCode !== null) throw new Error(`the daemon was ended by ${started.signalCode}`);
    },
    async [Symbol.asyncDispose]() {
      try {
        const running = child !== undefined && child.exitCode === null && child.signalCode === null;
        // After a kill -9 what is left is for the next start to end; a test that does not start it again wants it gone.
        const wasKilled = child?.signalCode === "SIGKILL";
        if (running) await end("SIGTERM");
        const left = project.processes();
        for (const { pid } of left) if (isRunning(pid)) process.kill(pid, "SIGKILL");
        if (left.length > 0 && !wasKilled) {
          const message = `the daemon left ${left.map(({ pid, argv }) => `${pid} (${argv.join(" ")})`).join(", ")}`;
          // Said here too: what fails in a disposal hides, and is hidden by, what failed in the test.
          console.error(`${message}\n${log()}`);
          throw new Error(message);
        }
        await until("what was left has ended", () => project.processes().length === 0);
      } finally {
        await project[Symbol.asyncDispose]();
      }
    },
  };
  return daemon;
}
