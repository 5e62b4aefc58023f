import { writeFile } from "node:fs/promises";
import { execa } from "execa";
import { AttuneError } from "../../core/errors.ts";
import type { Logger } from "../../core/plugin.ts";

const READY_WITHIN = 15_000;
const STOP_WITHIN = 5000;

export interface ServerFiles {
  readonly config: string;
  readonly pid: string;
  readonly store: string;
}
export interface Login {
  readonly user: string;
  readonly pass: string;
}
export interface NatsServer {
  /** Resolves when it ended, with the last line it wrote. */
  readonly exited: Promise<string>;
  /** Asks it to end, kills it after 5 s, and resolves when it is gone. */
  stop(): Promise<void>;
}

/** Loopback only, JetStream on, no monitoring port; readable by its owner, since the password is in it. */
export async function writeServerConfig(files: ServerFiles, port: number, login: Login): Promise<void> {
  // A JSON string is a quoted string of this format too, for every character a path is likely to have.
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `pid_file: ${JSON.stringify(files.pid)}`,
    `jetstream { store_dir: ${JSON.stringify(files.store)} }`,
    `authorization { user: ${JSON.stringify(login.user)}, password: ${JSON.stringify(login.pass)} }`,
  ];
  await writeFile(files.config, `${lines.join("\n")}\n`, { mode: 0o600 });
}

/** Resolves when the server takes connections; rejects with a retryable `TRANSPORT_UNAVAILABLE` and its last words. */
export async function startServer(program: string, config: string, log: Logger): Promise<NatsServer> {
  const child = execa(program, ["-c", config], {
    stdin: "ignore",
    stdout: "ignore",
    reject: false,
    buffer: false,
    extendEnv: false,
    env: { PATH: process.env["PATH"] ?? "" },
    // Its own session: Ctrl-C in the daemon's terminal must not stop it before the daemon has.
    detached: true,
    forceKillAfterDelay: STOP_WITHIN,
  });
  const ready = Promise.withResolvers<"ready">();
  let last = "";

  async function readLog(): Promise<void> {
    for await (const line of child.iterable({ from: "stderr" })) {
      // Without pid and time, which our own log has.
      last = line.replace(/^\[\d+\] [\d/]+ [\d:.]+ /, "");
      if (last.includes("Server is ready")) ready.resolve("ready");
      if (/^\[(ERR|FTL)\]/.test(last)) log.warn("nats-server", { line: last });
      else log.debug("nats-server", { line: last });
    }
  }
  // The iterable also fails when the process ends badly, which `exited` tells.
  const logged = readLog().catch(() => {});

  const exited = child.then(async ({ shortMessage }) => {
    await logged;
    return last || (shortMessage ?? "it ended without a word");
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  const outcome = await Promise.race([ready.promise, exited, Bun.sleep(READY_WITHIN).then(() => "it took too long")]);
  if (outcome === "ready") return { exited, stop };
  await stop();
  throw new AttuneError("TRANSPORT_UNAVAILABLE", `nats-server did not start: ${outcome}`, {
    hint: `try it by hand: ${program} -c ${config}`,
    retryable: true,
  });
}
