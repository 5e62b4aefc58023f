import { readdirSync, readFileSync } from "node:fs";
import { cookieVariable } from "../../src/core/processes/leftovers.ts";

/** A process as `/proc` shows it; zombies are left out, since a container's first process may never reap them. */
export interface RunningProcess {
  readonly pid: number;
  readonly argv: readonly string[];
}

/** What a daemon of this data directory would leave behind: children with its cookie, and the server of its database. */
export function processesOf(daemon: { readonly cookie: string | null; readonly database: string }): RunningProcess[] {
  return runningProcesses().filter(({ pid, argv }) => {
    if (daemon.cookie !== null && environmentOf(pid).includes(`${cookieVariable}=${daemon.cookie}`)) return true;
    return argv[0]?.endsWith("/postgres") === true && argv[argv.indexOf("-D") + 1] === daemon.database;
  });
}

export function runningProcesses(): RunningProcess[] {
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || isZombie(pid)) return [];
    const argv = read(pid, "cmdline").split("\0").slice(0, -1);
    return argv.length === 0 ? [] : [{ pid, argv }];
  });
}

/** Whether the process exists and is not a zombie. */
export function isRunning(pid: number): boolean {
  return read(pid, "stat") !== "" && !isZombie(pid);
}

/** Pid of the process that started it, or that took it over; 0 when it is gone. */
export function parentOf(pid: number): number {
  const stat = read(pid, "stat");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

/** Open descriptors of this process. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Resident memory in bytes, as the operator sees it; 0 when the process is gone. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** Resident memory of its own in bytes, without the pages of files it maps; 0 when the process is gone. */
export function anonymousBytes(pid: number): number {
  return statusBytes(pid, "RssAnon");
}

function statusBytes(pid: number, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(pid, "status"))?.[1] ?? 0) * 1024;
}

function environmentOf(pid: number): string[] {
  return read(pid, "environ").split("\0").slice(0, -1);
}

function isZombie(pid: number): boolean {
  const stat = read(pid, "stat");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return ""; // It has ended, or is another user's.
  }
}
