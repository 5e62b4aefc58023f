import { accessSync, constants, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ClientConfig } from "pg";
import { type PostgresFiles, postgresFiles } from "../../../assets.ts";
import { AttuneError, toError } from "../../../core/errors.ts";
import type { OpenContext } from "../../../core/plugin.ts";
import { makeHome, makeSocketDir, serverPort } from "./account.ts";
import { ensureCluster, ensurePassword, initialPassword, role } from "./cluster.ts";
import { connect } from "./connection.ts";
import { codeOf, isUnavailable } from "./failure.ts";
import { keyOf, makeWhole, programsPrefix, sweep, unpack } from "./files.ts";
import { claimHome, stopLeftover } from "./leftover.ts";
import { startServer } from "./server.ts";

const wrongPassword = "28P01";
const useAnother = "set DATABASE_URL to a PostgreSQL 13 or newer";
/** What runs the packaged programs; absent on musl. */
const loaders: Readonly<Record<string, string>> = { x64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" };

/** Starts the server of this data directory, which ends with the scope. Gives how to connect to it. */
export async function openEmbedded(context: OpenContext): Promise<{ client: ClientConfig }> {
  const files = findFiles();
  try {
    return await start(context, files);
  } catch (thrown) {
    throw startError(thrown, context.dataDir);
  }
}

async function start({ scope, log, dataDir }: OpenContext, files: PostgresFiles): Promise<{ client: ClientConfig }> {
  accessSync(dataDir, constants.W_OK);
  const home = makeHome(dataDir);
  scope.defer(claimHome(home.dir));
  const programs = join(home.dir, `${programsPrefix}${keyOf(files)}`);
  await makeWhole(programs, home.account, (dir) => unpack(files, dir));
  await stopLeftover(home.data, log);
  const password = ensurePassword(dataDir, home.data, log);
  await ensureCluster(home, programs, files.kind === "archive" ? files.cluster : null);
  const socketDir = makeSocketDir(home);
  scope.defer(() => rmSync(socketDir, { recursive: true, force: true }));
  const client: ClientConfig = { host: socketDir, port: serverPort, user: role, database: "postgres", password };
  const server = await startServer({ home, programs, socketDir, log, answers: () => answers(client) });
  scope.defer(() => server.stop());
  sweep(home.dir, programs);
  return { client };
}

/** Whether the server takes connections. Gives a cluster that is new its own password. */
async function answers(client: ClientConfig): Promise<boolean> {
  try {
    await withConnection(client, async () => {});
    return true;
  } catch (thrown) {
    if (isRetryable(thrown)) return false;
    if (codeOf(toError(thrown).cause) !== wrongPassword) throw thrown;
  }
  await withConnection({ ...client, password: initialPassword }, async (query) => {
    // Hexadecimal digits need no quoting, and ALTER ROLE takes no parameters.
    await query(`ALTER ROLE ${role} PASSWORD '${String(client.password)}'`);
  });
  return true;
}

function isRetryable(thrown: unknown): boolean {
  return thrown instanceof AttuneError && thrown.retryable && isUnavailable(thrown);
}

async function withConnection(
  client: ClientConfig,
  use: (query: (text: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const connection = await connect({ client, where: "embedded PostgreSQL", prepare: false }, () => {});
  try {
    await use((text) => connection.query(text));
  } finally {
    await connection.end();
  }
}

function findFiles(): PostgresFiles {
  const files = postgresFiles();
  const loader = loaders[process.arch];
  if (!files || loader === undefined) {
    throw new AttuneError("DATABASE_UNSUPPORTED", `no embedded PostgreSQL for ${process.platform}-${process.arch}`, {
      hint: useAnother,
    });
  }
  if (!existsSync(loader)) {
    throw new AttuneError("DATABASE_UNSUPPORTED", `the embedded PostgreSQL needs glibc, and ${loader} is not here`, {
      hint: useAnother,
    });
  }
  return files;
}

const unusable = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "ENOENT", "EINVAL"]);

function startError(thrown: unknown, dataDir: string): Error {
  const error = toError(thrown);
  if (error instanceof AttuneError || !unusable.has(codeOf(error) ?? "")) return error;
  return new AttuneError("DATA_DIR_UNUSABLE", `can't keep a database under ${dataDir}: ${error.message}`, {
    hint: `${codeOf(error) === "ENOSPC" ? "make room there" : "make it writable"}, or ${useAnother}`,
    cause: error,
  });
}
