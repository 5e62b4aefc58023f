import { readFileSync } from "node:fs";
import path from "node:path";
import { AttuneError } from "../core/errors.ts";
import type { GlobalOptions } from "./context.ts";

export interface Endpoint {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
  /** Of the daemon that wrote the file; null when the address was given. */
  readonly pid: number | null;
}

/**
 * Where the daemon is: `--url` and `--token`, then ATTUNE_API_URL and ATTUNE_API_TOKEN, then what it wrote into its data
 * directory (ATTUNE_DATA_DIR, the directory of `--config`, or the nearest `.attune` upwards). The token found on disk is
 * sent only to the address found beside it. Throws DAEMON_UNREACHABLE when nothing says where.
 */
export function findDaemon(from: {
  options: GlobalOptions;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}): Endpoint {
  const givenUrl = from.options.url ?? from.env["ATTUNE_API_URL"];
  const givenToken = from.options.token ?? from.env["ATTUNE_API_TOKEN"];
  const dirs = dataDirectories(from);
  const found = firstDaemon(dirs);
  if (givenUrl !== undefined) {
    const url = checkUrl(givenUrl);
    return { url, token: givenToken ?? (found?.url === url ? found.token : null), pid: null };
  }
  if (!found) {
    throw new AttuneError("DAEMON_UNREACHABLE", `no daemon is running for ${path.dirname(dirs[0] ?? from.cwd)}`, {
      hint: "start one with attune daemon, or name one with --url and --token",
    });
  }
  return givenToken === undefined ? found : { ...found, token: givenToken };
}

function dataDirectories({ options, env, cwd }: Parameters<typeof findDaemon>[0]): string[] {
  if (env["ATTUNE_DATA_DIR"]) return [path.resolve(cwd, env["ATTUNE_DATA_DIR"])];
  const config = options.config ?? env["ATTUNE_CONFIG"];
  if (config) return [path.join(path.dirname(path.resolve(cwd, config)), ".attune")];
  const dirs: string[] = [];
  for (let dir = cwd; ; dir = path.dirname(dir)) {
    dirs.push(path.join(dir, ".attune"));
    if (dir === path.dirname(dir)) return dirs;
  }
}

function firstDaemon(dirs: readonly string[]): Endpoint | null {
  for (const dir of dirs) {
    const file = path.join(dir, "daemon.json");
    const text = readIfThere(file);
    if (text === null) continue;
    const { url, pid } = parseDaemonFile(file, text);
    return { url, pid, token: readIfThere(path.join(dir, "token"))?.trim() || null };
  }
  return null;
}

function parseDaemonFile(file: string, text: string): { url: string; pid: number | null } {
  try {
    const { url, pid } = JSON.parse(text);
    if (typeof url === "string") return { url: checkUrl(url), pid: typeof pid === "number" ? pid : null };
  } catch {
    // Said below, as for a file without an address.
  }
  throw new AttuneError("DAEMON_UNREACHABLE", `${file} does not say where the daemon is`, { hint: "restart the daemon" });
}

function checkUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new AttuneError("USAGE", `${text} is not the address of a daemon`, { hint: "such as http://127.0.0.1:8080" });
  }
  return url.href.replace(/\/+$/, "");
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    if (code === "EACCES" || code === "EPERM") {
      throw new AttuneError("REFUSED", `${file} cannot be read`, {
        hint: "run this as the daemon's user, or give --url and --token",
      });
    }
    throw thrown;
  }
}
