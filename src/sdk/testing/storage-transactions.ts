import assert from "node:assert/strict";
import type { Storage } from "../../core/plugin.ts";
import { type Case, isAttuneError, rejection, same } from "./case.ts";
import type { StorageCase } from "./storage.ts";

export function transactionCases(define: StorageCase): readonly Case[] {
  return [
    define(
      {
        name: "a transaction left open by a text of several statements does not reach the next caller",
        hint: "end a transaction that is still open before the connection serves somebody else",
      },
      async ({ storage }) => {
        await rejection(storage.query("BEGIN; SELECT 1/0"));
        await storage.query("BEGIN");
        const states = await Promise.all(
          Array.from({ length: 12 }, () => storage.query("SELECT now() = statement_timestamp() AS own_transaction")),
        );
        assert(
          states.every(({ rows }) => rows[0]?.["own_transaction"] === true),
          "a statement ran inside a transaction left open before it",
        );
      },
    ),

    define(
      {
        name: "a transaction commits what it resolves with",
        hint: "BEGIN, run, COMMIT, then resolve with what run resolved with",
      },
      async ({ storage, itemTable, count }) => {
        const table = await itemTable();
        const result = await storage.transaction(async (tx) => {
          await tx.query(`INSERT INTO ${table} (id) VALUES ($1)`, [20]);
          same("the number of uncommitted rows that others see", await count(table, "id = 20"), 0);
          return "done";
        });
        same("what the transaction resolves with", result, "done");
        same("the number of rows", await count(table, "id = 20"), 1);
      },
    ),

    define(
      {
        name: "a transaction that rejects leaves nothing and passes its reason on",
        hint: "ROLLBACK, and rethrow what run threw",
      },
      async ({ storage, itemTable, count }) => {
        const table = await itemTable();
        const reason = new Error("mine");
        const error = await rejection(
          storage.transaction(async (tx) => {
            await tx.query(`INSERT INTO ${table} (id) VALUES (30)`);
            throw reason;
          }),
        );
        assert(error === reason, `it rejected with something else: ${error.message}`);
        same("the number of rows", await count(table, "id = 30"), 0);
      },
    ),

    define(
      {
        name: "an error in the middle of statements sent together undoes all of them",
        hint: "statements may be issued without awaiting the one before; the first that fails ends the transaction",
      },
      async ({ storage, itemTable, count }) => {
        const table = await itemTable();
        const error = await rejection(
          storage.transaction(async (tx) => {
            const insert = (id: number) => tx.query(`INSERT INTO ${table} (id) VALUES ($1)`, [id]);
            await Promise.all([insert(40), insert(41), insert(40), insert(42), tx.query("SELECT 1; SELECT 2")]);
          }),
        );
        same("the code of a duplicate key", error.code, "23505");
        same("the number of rows", await count(table, "id BETWEEN 40 AND 49"), 0);
        same("the row count", (await storage.query(`INSERT INTO ${table} (id) VALUES ($1)`, [49])).rowCount, 1);
      },
    ),

    define(
      {
        name: "a failed statement fails the transaction even when nobody waited for it or its error was caught",
        hint: "remember the first failure of the transaction's statements, and reject with it instead of committing",
      },
      async ({ storage, itemTable, count }) => {
        const table = await itemTable();
        const unawaited = storage.transaction(async (tx) => {
          void tx.query(`INSERT INTO ${table} (id) VALUES ($1)`, [50]);
          void tx.query("SELECT 1/$1::int", [0]);
        });
        same("the code of what nobody waited for", (await rejection(unawaited)).code, "22012");
        const caught = storage.transaction(async (tx) => {
          await tx.query(`INSERT INTO ${table} (id) VALUES ($1)`, [51]);
          await tx.query("SELECT 1/$1::int", [0]).catch(() => {});
        });
        same("the code of what was caught", (await rejection(caught)).code, "22012");
        same("the number of rows", await count(table, "id IN (50, 51)"), 0);
      },
    ),

    define(
      {
        name: "statements of a transaction that is over are refused",
        hint: "reject the statements of a transaction after its end",
      },
      async ({ storage }) => {
        const tx = await storage.transaction(async (inner) => inner);
        assert.match((await rejection(tx.query("SELECT 1"))).message, /over/);
      },
    ),

    define(
      {
        name: "transactions side by side, more than there are connections, don't mix",
        hint: "a transaction has a connection for itself; others wait until one is free",
      },
      async ({ storage, itemTable, count }) => {
        const table = await itemTable();
        await storage.query(`INSERT INTO ${table} (id, note) VALUES (60, '0')`);
        const increment = () =>
          storage.transaction(async (tx) => {
            const { rows } = await tx.query<{ n: number }>(`SELECT note::int AS n FROM ${table} WHERE id = $1 FOR UPDATE`, [60]);
            await tx.query(`UPDATE ${table} SET note = $2 WHERE id = $1`, [60, String((rows[0]?.n ?? 0) + 1)]);
          });
        await Promise.all(Array.from({ length: 60 }, increment));
        same("the number of rows", await count(table, "id = 60 AND note = '60'"), 1);
      },
    ),
  ];
}

export function crashCase(define: StorageCase, crash: (storage: Storage) => Promise<void>): Case {
  return define(
    {
      name: "a crash of the server rejects what is under way as retryable; then all goes on, and nothing committed is lost",
      hint: 'reject with new AttuneError("DATABASE_UNAVAILABLE", "...", { retryable: true }) and connect again',
    },
    async ({ storage, itemTable, count, until }) => {
      const table = await itemTable();
      const startOfServer = async () => (await storage.query("SELECT pg_postmaster_start_time()::text AS at")).rows[0]?.["at"];
      const before = await startOfServer();
      await storage.query(`INSERT INTO ${table} (id) VALUES ($1)`, [70]);
      const alone = rejection(storage.query("SELECT pg_sleep($1)", [30]));
      const inside = rejection(
        storage.transaction(async (tx) => {
          await tx.query(`INSERT INTO ${table} (id) VALUES ($1)`, [71]);
          await tx.query("SELECT pg_sleep($1)", [30]);
        }),
      );
      await until("both statements to sleep", async () => {
        const { rows } = await storage.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        return rows.length === 2;
      });
      await crash(storage);
      for (const error of await Promise.all([alone, inside])) assertUnavailable(error);
      const refusals: Error[] = [];
      // A connection may still answer while the server is on its way down.
      await until("the storage to answer again", async () => {
        try {
          return (await startOfServer()) !== before;
        } catch (thrown) {
          refusals.push(thrown as Error);
          return false;
        }
      });
      for (const error of refusals) assertUnavailable(error);
      same("the number of rows that were committed", await count(table, "id = 70"), 1);
      same("the number of rows that were not", await count(table, "id = 71"), 0);
    },
  );
}

function assertUnavailable(error: Error): void {
  assert(isAttuneError(error), `rejected with something else than an AttuneError: ${error.message}`);
  same("the code of the rejection", error.code, "DATABASE_UNAVAILABLE");
  assert(error.retryable, "the rejection is not marked as retryable");
}
