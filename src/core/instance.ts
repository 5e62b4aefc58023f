import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { AttuneError, toError } from "./errors.ts";
import { lockDataDir } from "./lock.ts";
import type { Scope } from "./plugin.ts";

/** The data directory, held by this daemon alone until the scope ends. */
export interface Instance {
  readonly dataDir: string;
  /** UUID of the data directory, kept for good. */
  readonly home: string;
  /** UUID of this start. */
  readonly owner: string;
  readonly token: string;
  /** What secrets in the database are sealed with: 32 bytes as base64url. */
  readonly secretKey: string;
  /** Tells the CLI where the daemon listens; taken back when the scope ends. */
  announce(daemon: { url: string; version: string }): void;
}

/** Makes and locks the data directory. Throws DATA_DIR_UNUSABLE or DATA_DIR_LOCKED. */
export function openInstance(dataDir: string, scope: Scope): Instance {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    chmodSync(dataDir, 0o700);
    if (!existsSync(path.join(dataDir, ".gitignore"))) writeFileSync(path.join(dataDir, ".gitignore"), "*\n");
  } catch (thrown) {
    throw new AttuneError("DATA_DIR_UNUSABLE", `cannot use the data directory ${dataDir}: ${toError(thrown).message}`, {
      hint: "make it writable, or set ATTUNE_DATA_DIR to another one",
      cause: thrown,
    });
  }
  const lock = lockDataDir(dataDir);
  scope.defer(() => lock.release());
  const announcement = path.join(dataDir, "daemon.json");
  return {
    dataDir,
    home: kept(path.join(dataDir, "id"), () => crypto.randomUUID()),
    owner: crypto.randomUUID(),
    secretKey: kept(path.join(dataDir, "secret.key"), () => randomBytes(32).toString("base64url")),
    token: kept(path.join(dataDir, "token"), () => `att_${randomBytes(32).toString("base64url")}`),
    announce({ url, version }) {
      replace(announcement, `${JSON.stringify({ url, pid: process.pid, version })}\n`);
      scope.defer(() => rmSync(announcement, { force: true }));
    },
  };
}

function kept(file: string, make: () => string): string {
  if (!existsSync(file)) replace(file, `${make()}\n`);
  return readFileSync(file, "utf8").trim();
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
