import { statSync } from "node:fs";
import { startDaemon } from "../tests/support/daemon.ts";
import { attuneCommand } from "../tests/support/program.ts";
import { parentOf, type RunningProcess, residentBytes, runningProcesses } from "../tests/support/running.ts";
import { type Figure, median, type Row } from "./figure.ts";

const runs = 21;
/** What a daemon allocates while it starts is given back after a while. */
const idleSeconds = 15;

/** The binary itself: its size, how long the shortest command takes, and the memory of a daemon that has nothing to do. */
export const program: Figure = { name: "program", measure };

async function measure(): Promise<Row[]> {
  const command = attuneCommand();
  const times = Array.from({ length: runs }, () => {
    const began = performance.now();
    Bun.spawnSync([...command, "--version"]);
    return performance.now() - began;
  });
  await using daemon = await startDaemon();
  await Bun.sleep(idleSeconds * 1_000);
  const postgres = withChildren(daemon.project.processes().filter(({ argv }) => argv[0]?.endsWith("/postgres")));
  const megabytes = (bytes: number) => bytes / 1e6;
  return [
    { name: "binary", value: megabytes(statSync(command[0]).size), unit: "MB", target: { most: 150 } },
    { name: "attune --version", value: median(times), unit: "ms", target: { most: 15 }, note: `median of ${runs}` },
    { name: "idle daemon, RSS", value: megabytes(residentBytes(daemon.pid)), unit: "MB", target: { most: 120 } },
    {
      name: "its PostgreSQL, PSS",
      value: megabytes(await proportional(postgres)),
      unit: "MB",
      note: `${postgres.length} processes`,
    },
  ];
}

/** Pids of these processes and of what they have started; PostgreSQL's children do not show which data they serve. */
function withChildren(parents: readonly RunningProcess[]): number[] {
  const pids = parents.map(({ pid }) => pid);
  const children = runningProcesses().filter(({ pid }) => pids.includes(parentOf(pid)));
  return [...pids, ...children.map(({ pid }) => pid)];
}

/** Shared memory counted once. */
async function proportional(pids: readonly number[]): Promise<number> {
  let kilobytes = 0;
  for (const pid of pids) {
    const text = await Bun.file(`/proc/${pid}/smaps_rollup`).text();
    kilobytes += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0);
  }
  return kilobytes * 1024;
}
