import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { definedOnly } from "../../src/core/values.ts";
import { makeHome } from "../../src/plugins/storage/postgres/account.ts";
import { writePack } from "./packs.ts";
import { attuneCommand } from "./program.ts";
import { removeAll } from "./remove.ts";
import { processesOf, type RunningProcess } from "./running.ts";

export interface ProjectOptions {
  /** Files below `packs/`, path to content. */
  readonly packs?: Readonly<Record<string, string>>;
  /** Text of `attune.config.ts`. */
  readonly config?: string;
  /** Further files, relative to the project. */
  readonly files?: Readonly<Record<string, string>>;
  /** Added to the small environment that all commands get; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Runs everything as this user, who then owns the project. Only for root. */
  readonly as?: { readonly uid: number; readonly gid: number };
}

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON. */
  json<T = unknown>(): T;
}

/** A directory with a project in it and a HOME of its own, on which commands are run as a user would. */
export interface Project extends AsyncDisposable {
  readonly dir: string;
  readonly dataDir: string;
  /** Outside of the project, for what a test or an action writes. */
  readonly scratch: string;
  readonly env: Readonly<Record<string, string>>;
  /** Command line of attune as the project's user. */
  command(args: readonly string[]): [string, ...string[]];
  /** Runs attune to its end. Fails when that takes more than 60 s. */
  cli(...args: readonly string[]): Promise<Output>;
  cliWith(input: { stdin?: string; env?: Readonly<Record<string, string>> }, ...args: readonly string[]): Promise<Output>;
  /** Writes files below `packs/`. */
  writePacks(files: Readonly<Record<string, string>>): void;
  /** What runs of this project's daemon, of this start or an earlier one. */
  processes(): RunningProcess[];
}

const commandTimeout = 60_000;

export function makeProject(options: ProjectOptions = {}): Project {
  const root = mkdtempSync(join(tmpdir(), "attune-test-"));
  const [dir, home, scratch] = ["project", "home", "scratch"].map((name) => join(root, name)) as [string, string, string];
  for (const path of [dir, home, scratch]) mkdirSync(path);
  writePack(join(dir, "packs"), options.packs ?? {});
  writePack(dir, { ...options.files, ...(options.config !== undefined && { "attune.config.ts": options.config }) });
  if (options.as) own(root, options.as);

  const dataDir = join(dir, ".attune");
  const given = { PATH: process.env["PATH"], HOME: home, ATTUNE_API_PORT: "0", ...options.env };
  const env = definedOnly(given);
  const prefix = options.as ? ["setpriv", `--reuid=${options.as.uid}`, `--regid=${options.as.gid}`, "--clear-groups", "--"] : [];
  const command = (args: readonly string[]) => [...prefix, ...attuneCommand(), ...args] as [string, ...string[]];
  const databaseHome = () => (existsSync(dataDir) ? databaseDir(dataDir, options.as !== undefined) : null);

  const cliWith: Project["cliWith"] = async (input, ...args) => {
    const child = Bun.spawn(command(args), {
      cwd: dir,
      env: { ...env, ...input.env },
      stdin: Buffer.from(input.stdin ?? ""),
      stdout: "pipe",
      stderr: "pipe",
      timeout: commandTimeout,
      killSignal: "SIGKILL",
    });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const code = await child.exited;
    if (child.signalCode) throw new Error(`attune ${args.join(" ")} was ended by ${child.signalCode}: ${stdout}${stderr}`);
    return {
      code,
      stdout,
      stderr,
      json<T>() {
        try {
          return JSON.parse(stdout) as T;
        } catch {
          throw new Error(`attune ${args.join(" ")} (exit code ${code}) gave no JSON: ${stdout}${stderr}`);
        }
      },
    };
  };

  return {
    dir,
    dataDir,
    scratch,
    env,
    command,
    cliWith,
    cli: (...args) => cliWith({}, ...args),
    writePacks: (files) => void writePack(join(dir, "packs"), files),
    processes() {
      const id = join(dataDir, "id");
      return processesOf({
        cookie: existsSync(id) ? readFileSync(id, "utf8").trim() : null,
        database: join(databaseHome() ?? dir, "data"),
      });
    },
    async [Symbol.asyncDispose]() {
      const database = databaseHome();
      if (database?.startsWith("/var/lib/attune/")) removeAll(database);
      removeAll(root);
    },
  };
}

/** Where the embedded server keeps its files. */
function databaseDir(dataDir: string, otherUser: boolean): string {
  return otherUser ? join(dataDir, "postgres") : makeHome(dataDir).dir;
}

function own(path: string, as: { readonly uid: number; readonly gid: number }): void {
  chownSync(path, as.uid, as.gid);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) own(inner, as);
    else chownSync(inner, as.uid, as.gid);
  }
}
