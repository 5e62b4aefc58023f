import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AttuneError } from "../../../core/errors.ts";
import type { Logger } from "../../../core/plugin.ts";

/** What `/proc` tells of a living process; null when there is none, or only a zombie that nobody reaped. */
interface ProcessFacts {
  readonly argv: readonly string[];
  /** Clock ticks from boot to its start: with the pid, the identity of a process. */
  readonly started: string;
}

function inspect(pid: number): ProcessFacts | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything; the fields follow its last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    return { argv: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"), started: fields[19] ?? "" };
  } catch {
    // It ended between the two reads, or never was.
    return null;
  }
}

/**
 * Whether the process is the server of `data`. Read from its command line, since root without CAP_SYS_PTRACE, as in most
 * containers, may not follow `/proc/<pid>/exe` of another user's process.
 */
function serves(facts: ProcessFacts | null, data: string): boolean {
  if (!facts) return false;
  const option = facts.argv.indexOf("-D");
  return basename(facts.argv[0] ?? "") === "postgres" && option > 0 && facts.argv[option + 1] === data;
}

/** Pid of the server that runs on `data`, by its pid file; null when there is none. */
export function findServer(data: string): number | null {
  let pid: number;
  try {
    pid = Number.parseInt(readFileSync(join(data, "postmaster.pid"), "utf8"), 10);
  } catch {
    return null;
  }
  return pid > 0 && serves(inspect(pid), data) ? pid : null;
}

/** Fast shutdown, immediate shutdown, death; each with the milliseconds it is given. */
const escalation: ReadonlyArray<readonly [NodeJS.Signals, number]> = [
  ["SIGINT", 5_000],
  ["SIGQUIT", 3_000],
  ["SIGKILL", 3_000],
];

/**
 * Stops a server whose daemon was killed and removes its pid file, which would keep the next one from starting whenever
 * the pid is taken by now or is a zombie's. Only for the owner of the data directory.
 */
export async function stopLeftover(data: string, log: Logger): Promise<void> {
  const pid = findServer(data);
  if (pid !== null) {
    log.info("stopping the PostgreSQL an earlier daemon left", { pid });
    await stopProcess(pid, () => serves(inspect(pid), data));
  }
  rmSync(join(data, "postmaster.pid"), { force: true });
}

async function stopProcess(pid: number, alive: () => boolean): Promise<void> {
  for (const [signal, patience] of escalation) {
    if (!alive()) return;
    process.kill(pid, signal);
    const deadline = performance.now() + patience;
    while (performance.now() < deadline) {
      if (!alive()) return;
      await sleep(5);
    }
  }
  if (alive()) throw new AttuneError("DATA_DIR_UNUSABLE", `PostgreSQL (pid ${pid}) of an earlier daemon does not end`);
}

/**
 * Notes that this process owns the server's files. Throws DATA_DIR_LOCKED when another living process, or this one, does:
 * its server would be taken for a leftover. Returns the undo.
 */
export function claimHome(home: string): () => void {
  const file = join(home, "owner");
  const owner = readOwner(file);
  if (owner && inspect(owner.pid)?.started === owner.started) {
    throw new AttuneError("DATA_DIR_LOCKED", `the database in ${home} is in use by process ${owner.pid}`, {
      hint: "stop that daemon, or give this one another data directory",
    });
  }
  writeFileSync(file, `${process.pid} ${inspect(process.pid)?.started ?? ""}\n`);
  return () => rmSync(file, { force: true });
}

function readOwner(file: string): { pid: number; started: string } | null {
  try {
    const [pid = "", started = ""] = readFileSync(file, "utf8").trim().split(" ");
    return { pid: Number.parseInt(pid, 10), started };
  } catch {
    return null;
  }
}
