import { type SpawnOptions, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AttuneError } from "../../../core/errors.ts";
import type { Logger } from "../../../core/plugin.ts";
import { type Account, giveTo, type Home } from "./account.ts";
import { extract } from "./archive.ts";
import { makeWhole } from "./files.ts";

/** The role that owns everything in an embedded server. */
export const role = "attune";
/** Of a cluster just made, until its own one is set at the first start. Only the server's account can reach it then. */
export const initialPassword = "initial";

/** How the programs are started: as the account, from a place it can be in, told nothing by our environment. */
export function spawnOptions(account: Account, cwd: string): SpawnOptions {
  const owner = account ? { uid: account.uid, gid: account.gid } : {};
  return { ...owner, cwd, env: { LC_ALL: "C", TZ: "UTC" }, detached: true };
}

/** Makes a cluster with UTF-8, the builtin locale (nothing of the host's), and passwords for everyone. */
export async function initialise(programs: string, data: string, account: Account): Promise<void> {
  const passwordFile = `${data}.password`;
  writeFileSync(passwordFile, initialPassword, { mode: 0o600 });
  try {
    giveTo(account, passwordFile);
    // initdb can't make it: the account may not write where it lies.
    mkdirSync(data, { mode: 0o700 });
    giveTo(account, data);
    await run(join(programs, "bin/initdb"), initdbArguments(data, passwordFile), account);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function initdbArguments(data: string, passwordFile: string): string[] {
  return [
    `--pgdata=${data}`,
    `--username=${role}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    "--no-sync",
  ];
}

/** Writes a new cluster's files to the disk: the server later does so only with those it has changed. */
function sync(programs: string, data: string, account: Account): Promise<void> {
  return run(join(programs, "bin/initdb"), ["--sync-only", `--pgdata=${data}`], account);
}

async function run(program: string, args: string[], account: Account): Promise<void> {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    const child = spawn(program, args, { ...spawnOptions(account, dirname(program)), stdio: ["ignore", "ignore", "pipe"] });
    let output = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
  if (code !== 0)
    throw new AttuneError("DATA_DIR_UNUSABLE", `${program} failed: ${output.trim().split("\n").slice(-3).join("; ")}`);
}

/** Makes the cluster when there is none, from the template if there is one. */
export async function ensureCluster(home: Home, programs: string, template: string | null): Promise<void> {
  const versionFile = join(home.data, "PG_VERSION");
  if (existsSync(versionFile)) {
    checkVersion(home.data, readFileSync(versionFile, "utf8").trim(), programs);
    return;
  }
  await makeWhole(home.data, home.account, async (draft) => {
    if (template === null) {
      await initialise(programs, draft, home.account);
    } else {
      await extract(template, draft);
      giveTo(home.account, draft);
      chmodSync(draft, 0o700);
    }
    await sync(programs, draft, home.account);
  });
}

/** Programs are named after their version, `programs-18.4.0-...`; files of another major version can't be read by them. */
function checkVersion(data: string, found: string, programs: string): void {
  const wanted = /programs-(\d+)\./.exec(programs)?.[1];
  if (wanted === undefined || found === wanted) return;
  throw new AttuneError("DATABASE_UNSUPPORTED", `${data} was written by PostgreSQL ${found}; this attune brings ${wanted}`, {
    hint: "run the attune version that wrote it, or move the directory away to begin anew",
  });
}

/**
 * The password of the cluster, kept 0600 in the data directory. A cluster without one belonged to a data directory that was
 * deleted: it is kept, under another name.
 */
export function ensurePassword(dataDir: string, data: string, log: Logger): string {
  const file = join(dataDir, "postgres.password");
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  if (existsSync(data)) {
    const aside = `${data}-${new Date().toISOString().replace(/\D/g, "").slice(0, 14)}`;
    renameSync(data, aside);
    log.warn(`found the database of a data directory that was deleted; moved it to ${aside}`);
  }
  const password = randomBytes(24).toString("hex");
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${password}\n`, { mode: 0o600, flush: true });
  renameSync(draft, file);
  return password;
}
