import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import { baseEnvironment, type Environment } from "../environment.ts";
import { AttuneError } from "../errors.ts";
import type { Entries } from "./entries.ts";
import { limits } from "./limits.ts";
import type { Work } from "./progress.ts";
import { refused, unavailable } from "./refusal.ts";
import type { GitSource } from "./source.ts";
import { unpackTar } from "./tar.ts";

interface GitWork extends Work {
  readonly env: Environment;
}

/**
 * Fetches one commit and unpacks its files. Nothing is checked out: the repository is a bare one of our own, read as a tar
 * stream, so that neither hooks nor filters nor links of the other side come to life. Returns the commit.
 * `dir` is new and private. Throws SOURCE_UNAVAILABLE with git's own words, SOURCE_REFUSED for what is too large.
 */
export async function fetchGit(source: GitSource, dir: string, entries: () => Entries, work: GitWork): Promise<string> {
  const late = AbortSignal.timeout(limits.transfer);
  try {
    return await fetchInTime(source, dir, entries, { ...work, signal: AbortSignal.any([work.signal, late]) });
  } catch (thrown) {
    work.signal.throwIfAborted();
    throw late.aborted ? unavailable(`${source.url} takes too long`, { cause: thrown }) : thrown;
  }
}

async function fetchInTime(source: GitSource, dir: string, entries: () => Entries, work: GitWork): Promise<string> {
  mkdirSync(dir, { mode: 0o700 });
  const environment = gitEnvironment(source, dir, work.env);
  await run(["init", "--quiet", "--bare", "--template="], dir, environment, work);
  const fetching = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance"];
  const watch = () => {
    const bytes = sizeOf(dir);
    work.progress({ phase: "git", from: source.url, bytes });
    if (bytes > limits.gitBytes) throw refused(`the repository has more than ${limits.gitBytes / 1024 / 1024} MiB`);
  };
  await run([...fetching, "--", source.url, source.ref ?? "HEAD"], dir, environment, work, watch);
  const commit = (await run(["rev-parse", "--verify", "--quiet", "FETCH_HEAD^{commit}"], dir, environment, work)).trim();
  if (!/^[0-9a-f]{40,64}$/.test(commit)) throw refused(`${source.url} has no commit there`);

  // With attributes of the work tree, of which there is none, those of the commit decide nothing.
  const archive = start(["archive", "--format=tar", "--worktree-attributes", commit], dir, environment, work.signal);
  try {
    await unpackTar(archive.child.stdout, entries());
    await archive.done;
  } finally {
    archive.end();
  }
  return commit;
}

const settings = {
  "core.hooksPath": "/dev/null",
  "core.fsmonitor": "false",
  "credential.helper": "",
  "fetch.recurseSubmodules": "false",
  "gc.auto": "0",
  "http.lowSpeedLimit": "1000",
  "http.lowSpeedTime": String(limits.idle / 1_000),
  "protocol.ext.allow": "never",
  "submodule.recurse": "false",
};

/** Nothing of the machine's or the user's settings, and no question that nobody would answer. */
function gitEnvironment({ protocol }: GitSource, dir: string, env: Environment): Record<string, string> {
  return {
    ...baseEnvironment(env, ["SSH_AUTH_SOCK", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"]),
    GIT_DIR: dir,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: protocol,
    GIT_SSH_COMMAND: "ssh -o BatchMode=yes",
    GIT_SSH_VARIANT: "ssh",
    LC_ALL: "C",
  };
}

interface Running {
  readonly child: ChildProcess & { readonly stdout: NonNullable<ChildProcess["stdout"]> };
  /** Rejects when git fails or is ended. */
  readonly done: Promise<void>;
  /** Ends git and what it has started. */
  end(): void;
}

function start(args: readonly string[], cwd: string, env: Record<string, string>, signal: AbortSignal): Running {
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn("git", [...options, ...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4_096);
  });
  const end = () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended in the meantime.
    }
  };
  signal.addEventListener("abort", end, { once: true });
  const done = once(child, "close").then(
    ([code]) => {
      signal.removeEventListener("abort", end);
      signal.throwIfAborted();
      if (code !== 0) throw failure(said, args[0] ?? "");
    },
    (thrown: NodeJS.ErrnoException) => {
      if (thrown.code !== "ENOENT") throw thrown;
      throw new AttuneError("SOURCE_UNAVAILABLE", "git is not installed", { hint: "install git, or use an archive" });
    },
  );
  // Whoever unpacks its output may fail first and never ask.
  done.catch(() => {});
  return { child, done, end };
}

/** Runs git to its end and returns what it prints. `watch` is called now and then, and ends it by throwing. */
async function run(
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
  { signal }: Work,
  watch: () => void = () => {},
): Promise<string> {
  signal.throwIfAborted();
  const { child, done, end } = start(args, cwd, env, signal);
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed = (printed + text).slice(-4_096);
  });
  const stopped = Promise.withResolvers<never>();
  const looking = setInterval(() => {
    try {
      watch();
    } catch (thrown) {
      stopped.reject(thrown);
    }
  }, 100);
  try {
    await Promise.race([done, stopped.promise]);
    return printed;
  } finally {
    clearInterval(looking);
    end();
    await done.catch(() => {});
  }
}

function failure(said: string, command: string): AttuneError {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const important = lines.filter((line) => /^(?:fatal|error|remote|ssh|Host key|Permission)/.test(line));
  const words = (important.length > 0 ? important : lines).slice(-3).join("; ");
  return unavailable(`git ${command} failed: ${words || "it says no reason"}`, {
    hint: "is the address right, and may you read it? private repositories need a key of ssh, or ~/.netrc",
  });
}

function sizeOf(dir: string): number {
  try {
    const entries = readdirSync(dir, { recursive: true, encoding: "utf8" });
    return entries.reduce((sum, name) => sum + (lstatSync(path.join(dir, name), { throwIfNoEntry: false })?.size ?? 0), 0);
  } catch {
    return 0; // git moves its files about; the next look counts them.
  }
}
