import assert from "node:assert/strict";
import type { OpenContext, Sql, Storage } from "../../core/plugin.ts";
import { type Case, makeCase, rejection, type Trial } from "./case.ts";
import { withOpened } from "./opened.ts";
import { sqlCases } from "./storage-sql.ts";
import { crashCase, transactionCases } from "./storage-transactions.ts";

export interface StorageOptions {
  /** Kills the server the hard way and sees to it that one comes back; without it that case is left out. */
  readonly crash?: (storage: Storage) => Promise<void>;
}

/** What a case works with: the open storage and tables that are its own. */
export interface StorageTrial extends Trial {
  readonly storage: Storage;
  /** Name of a table of this case that need not exist yet; it is dropped afterwards. */
  newTable(): string;
  /** Makes a table with the columns `id int PRIMARY KEY`, `note text`. */
  itemTable(): Promise<string>;
  /** How many rows fulfil a condition. */
  count(table: string, where: string): Promise<number | undefined>;
}
export type StorageCase = (head: Omit<Case, "run" | "member">, body: (trial: StorageTrial) => Promise<void>) => Case;

/**
 * What every storage promises. Each case opens the storage with `open`, in a scope and data directory of its own, and ends the
 * scope. It works on tables `contract_...` in the schema `attune`, which it makes when there is none, and drops what it made.
 */
export function storageContract(open: (context: OpenContext) => Promise<Storage>, options: StorageOptions = {}): readonly Case[] {
  const define: StorageCase = (head, body) =>
    makeCase({ ...head, member: "open" }, (trial) =>
      withOpened(trial, open, (storage) => withTables(watched(storage, trial), trial, body)),
    );
  return [
    makeCase(
      {
        name: "it opens, and says in one line what it is",
        member: "open",
        hint: "open resolves with { description, query, transaction }; description is text for the operator, without password",
      },
      (trial) =>
        withOpened(trial, open, async (storage) => {
          assert(typeof storage === "object" && storage !== null, "open did not resolve with an object");
          for (const member of ["query", "transaction"] as const) {
            assert(typeof storage[member] === "function", `open resolved with no function ${member}`);
          }
          const { description } = storage;
          assert(
            typeof description === "string" && /^[^\n]{1,200}$/.test(description),
            "its description is not one line of text",
          );
        }),
    ),
    ...sqlCases(define),
    ...transactionCases(define),
    ...(options.crash ? [crashCase(define, options.crash)] : []),
    makeCase(
      {
        name: "it ends with its scope: statements afterwards are refused",
        member: "open",
        hint: 'end the connections in scope.defer(...), and reject then with new AttuneError("DATABASE_UNAVAILABLE", ...)',
      },
      async (trial) => {
        let ended: Sql | undefined;
        await withOpened(trial, open, async (storage) => {
          ended = watched(storage, trial);
          await ended.query("SELECT 1", []);
        });
        const error = await rejection(Promise.resolve(ended?.query("SELECT 1", [])));
        assert(error.code === "DATABASE_UNAVAILABLE", `a statement was rejected with something else: ${error.message}`);
      },
    ),
  ];
}

function watched(storage: Storage, trial: Trial): Storage {
  return {
    description: storage.description,
    query: (text, values) => trial.settled(`query to settle: ${text}`, storage.query(text, values)),
    transaction: (run) => trial.settled("transaction to settle", storage.transaction(run)),
  };
}

async function withTables(storage: Storage, trial: Trial, body: (trial: StorageTrial) => Promise<void>): Promise<void> {
  const { rows } = await storage.query("SELECT to_regnamespace('attune') IS NULL AS missing", []);
  const missing = rows[0]?.["missing"] === true;
  if (missing) await storage.query("CREATE SCHEMA IF NOT EXISTS attune");
  const tables: string[] = [];
  const newTable = () => {
    const name = `contract_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
    tables.push(name);
    return name;
  };
  const drop = async () => {
    for (const table of tables) await storage.query(`DROP TABLE IF EXISTS attune.${table}`);
    if (missing) await storage.query("DROP SCHEMA attune");
  };
  try {
    await body({
      ...trial,
      storage,
      newTable,
      async itemTable() {
        const table = newTable();
        await storage.query(`CREATE TABLE attune.${table} (id int PRIMARY KEY, note text)`);
        return table;
      },
      async count(table, where) {
        return (await storage.query<{ n: number }>(`SELECT count(*) AS n FROM ${table} WHERE ${where}`)).rows[0]?.n;
      },
    });
  } catch (thrown) {
    await drop().catch(() => {}); // What the case found says more.
    throw thrown;
  }
  await drop();
}
