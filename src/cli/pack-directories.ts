import path from "node:path";
import { findConfig } from "../core/config.ts";
import { AttuneError } from "../core/errors.ts";
import { type Client, connect } from "./client.ts";
import type { Context } from "./context.ts";

export interface PackDirectories {
  /** Absolute; new packs go into the first. */
  readonly directories: readonly string[];
  /** The daemon that reads them; null when none runs, or it is not known to read them. */
  readonly daemon: Client | null;
}

/**
 * Where this project's packs lie: `--dir`; else what its daemon says; else `packs` beside the config file or in the working
 * directory. The config file is never run here, so without a daemon what it says is not known.
 */
export async function packDirectories(shown: Context, given: string | undefined): Promise<PackDirectories> {
  if (given !== undefined) {
    const directory = path.resolve(shown.io.cwd, given);
    const daemon = await runningDaemon(shown).catch(ignoreRefusal);
    return { directories: [directory], daemon: daemon?.directories.includes(directory) ? daemon.client : null };
  }
  const daemon = await runningDaemon(shown);
  if (daemon) return { directories: daemon.directories, daemon: daemon.client };
  const { cwd, env } = shown.io;
  const config = findConfig({ explicit: shown.options.config, cwd, env });
  return { directories: [path.join(config ? path.dirname(config) : cwd, "packs")], daemon: null };
}

/** null when none runs. Throws USAGE for one on another machine, since its directories are not here. */
async function runningDaemon(shown: Context): Promise<{ client: Client; directories: readonly string[] } | null> {
  try {
    const client = connect(shown);
    const { hostname } = new URL(client.endpoint.url);
    if (!["127.0.0.1", "localhost", "[::1]"].includes(hostname)) {
      throw new AttuneError("USAGE", `packs are installed on the daemon's own machine, and not over ${client.endpoint.url}`, {
        hint: "run this there, or name a directory of this machine with --dir",
      });
    }
    const { pack_directories } = await client.get<{ pack_directories: string[] }>("/status");
    return pack_directories.length > 0 ? { client, directories: pack_directories } : null;
  } catch (thrown) {
    if (thrown instanceof AttuneError && thrown.code === "DAEMON_UNREACHABLE") return null;
    throw thrown;
  }
}

/** With the directory named, a daemon that has nothing to say to this user is not needed. */
function ignoreRefusal(thrown: unknown): null {
  if (thrown instanceof AttuneError) return null;
  throw thrown;
}
