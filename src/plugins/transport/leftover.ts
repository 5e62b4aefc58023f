import { readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { AttuneError } from "../../core/errors.ts";
import type { Logger } from "../../core/plugin.ts";

const STOP_WITHIN = 5000;

/**
 * Stops the nats-server that a killed daemon left behind: two on one store would destroy it. The pid in the file is only
 * believed when that process runs nats-server with our configuration file, for the number may be another's by now.
 */
export async function stopLeftover(files: { config: string; pid: string }, log: Logger): Promise<void> {
  const pid = Number.parseInt(await readFile(files.pid, "utf8").catch(() => ""), 10);
  if (!(pid > 1) || !(await isOurs(pid, files.config))) return;
  log.warn("stopping the nats-server that a killed daemon left behind", { pid });
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended between the look and the signal; the loop below sees that.
    }
    const deadline = performance.now() + STOP_WITHIN;
    while (performance.now() < deadline) {
      if (!(await isOurs(pid, files.config))) return;
      await Bun.sleep(20);
    }
  }
  throw new AttuneError("TRANSPORT_UNAVAILABLE", `nats-server with pid ${pid}, left behind by a killed daemon, does not end`, {
    hint: `end it: kill -9 ${pid}`,
    retryable: true,
  });
}

/** False too for a zombie, whose executable and arguments are gone. */
async function isOurs(pid: number, config: string): Promise<boolean> {
  try {
    const [executable, commandLine] = await Promise.all([readlink(`/proc/${pid}/exe`), readFile(`/proc/${pid}/cmdline`, "utf8")]);
    return basename(executable).startsWith("nats-server") && commandLine.split("\0").includes(config);
  } catch {
    return false;
  }
}
