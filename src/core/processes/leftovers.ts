import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import type { Logger } from "../plugin.ts";
import { startTicksOf } from "./child.ts";

/** Environment variable all children carry; its value belongs to the data directory, not to one start of the daemon. */
export const cookieVariable = "ATTUNE_DAEMON_ID";

/** Which processes are running, kept in a file so that the next daemon can end what a killed one left behind. */
export interface ProcessLedger {
  /** The process is running now; without effect when it is not. */
  started(pid: number): void;
  /** Without effect for one that was not noted. */
  ended(pid: number): void;
}

/**
 * Opens the ledger of a data directory. What it names from an earlier daemon was already ended by {@link killLeftovers},
 * so it starts empty. Appended without fsync: it has to survive the daemon, not the machine, which takes the processes along.
 */
export function openLedger(dataDir: string): ProcessLedger {
  const file = ledgerFile(dataDir);
  rmSync(file, { force: true });
  let lines = 0;
  const running = new Map<number, string>();
  function append(line: string): void {
    appendFileSync(file, line);
    if (++lines < 10_000) return;
    rmSync(file, { force: true });
    lines = running.size;
    appendFileSync(file, [...running].map(([pid, ticks]) => `+${pid} ${ticks}\n`).join(""));
  }
  return {
    started(pid) {
      const startTicks = startTicksOf(pid);
      if (startTicks === null) return;
      running.set(pid, startTicks);
      append(`+${pid} ${startTicks}\n`);
    },
    ended(pid) {
      if (running.delete(pid)) append(`-${pid}\n`);
    },
  };
}

/**
 * Ends every process that an earlier daemon of this data directory left running: the groups its ledger names (pid and
 * start time must both match) and, wherever they moved to, all processes that carry the cookie. Returns how many.
 */
export function killLeftovers(dataDir: string, cookie: string, log: Logger): number {
  let killed = 0;
  const end = (target: number) => {
    try {
      process.kill(target, "SIGKILL");
      killed++;
    } catch {
      // Gone by itself, or not ours to signal.
    }
  };
  for (const [pid, ticks] of readLedger(dataDir)) {
    if (startTicksOf(pid) === ticks) end(-pid);
  }
  for (const pid of processesWith(cookie)) end(pid);
  if (killed > 0) log.warn("ended processes left over by an earlier daemon", { count: killed });
  return killed;
}

function ledgerFile(dataDir: string): string {
  return path.join(dataDir, "processes");
}

function readLedger(dataDir: string): Map<number, string> {
  const running = new Map<number, string>();
  let text: string;
  try {
    text = readFileSync(ledgerFile(dataDir), "utf8");
  } catch {
    return running;
  }
  for (const line of text.split("\n")) {
    const [pid, ticks] = line.slice(1).split(" ");
    if (line.startsWith("+") && ticks) running.set(Number(pid), ticks);
    else if (line.startsWith("-")) running.delete(Number(pid));
  }
  return running;
}

function* processesWith(cookie: string): Generator<number> {
  const needle = `${cookieVariable}=${cookie}\0`;
  const own = ancestors(process.pid);
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || own.has(pid)) continue;
    let environ: string;
    try {
      environ = readFileSync(`/proc/${pid}/environ`, "latin1");
    } catch {
      continue; // Another user's, or gone.
    }
    if (environ.startsWith(needle) || environ.includes(`\0${needle}`)) yield pid;
  }
}

/** This process and those above it: an action may itself start a daemon on its own data directory. */
function ancestors(pid: number): Set<number> {
  const found = new Set<number>();
  for (let current = pid; current > 0 && !found.has(current); ) {
    found.add(current);
    try {
      const stat = readFileSync(`/proc/${current}/stat`, "latin1");
      current = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    } catch {
      break;
    }
  }
  return found;
}
