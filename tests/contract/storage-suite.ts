import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AttuneError } from "../../src/core/errors.ts";
import type { Storage } from "../../src/core/plugin.ts";
import { until } from "../support/until.ts";

export interface OpenStorage {
  readonly storage: Storage;
  /** Kills the server the hard way and sees to it that one comes back. */
  crash(): Promise<void>;
  close(): Promise<void>;
}

/** What every storage has to do, whoever runs the server. */
export function describeStorage(name: string, open: () => Promise<OpenStorage>): void {
  describe(`storage: ${name}`, () => {
    let opened: OpenStorage;
    let storage: Storage;
    beforeAll(async () => {
      opened = await open();
      storage = opened.storage;
      await storage.query(
        "CREATE SCHEMA IF NOT EXISTS attune; CREATE TABLE item (id int PRIMARY KEY, note text, at timestamptz DEFAULT now())",
      );
    });
    afterAll(() => opened?.close());

    const count = async (where: string) =>
      (await storage.query<{ n: number }>(`SELECT count(*) AS n FROM item WHERE ${where}`)).rows[0]?.n;

    test("values keep their type", async () => {
      const at = new Date("2026-02-03T04:05:06.789Z");
      const { rows } = await storage.query(
        `SELECT $1::bigint AS small, '9007199254740993'::bigint AS big, $2::timestamptz AS at, $3::jsonb AS json, $4::text[] AS texts,
           $5::bigint[] AS bigs, $6::bytea AS bytes, $7::text AS nothing, $8::boolean AS yes, 1.5::float8 AS float`,
        [42, at, JSON.stringify([{ a: [1, null] }]), ["a", 'q"\\,{}', null, ""], [1, 2], new Uint8Array([0, 255]), null, true],
      );
      expect(rows).toEqual([
        {
          small: 42,
          big: "9007199254740993",
          at,
          json: [{ a: [1, null] }],
          texts: ["a", 'q"\\,{}', null, ""],
          bigs: [1, 2],
          bytes: Buffer.from([0, 255]),
          nothing: null,
          yes: true,
          float: 1.5,
        },
      ]);
    });

    test("rows are inserted from arrays", async () => {
      const inserted = await storage.query("INSERT INTO item (id, note) SELECT * FROM unnest($1::int[], $2::text[])", [
        [1, 2, 3],
        ["a", null, "c"],
      ]);
      expect(inserted.rowCount).toBe(3);
      expect(await count("id <= 3")).toBe(3);
    });

    test("unqualified names mean the schema attune", async () => {
      const { rows } = await storage.query(
        "SELECT current_schema() AS schema, 'item'::regclass = 'attune.item'::regclass AS same",
      );
      expect(rows).toEqual([{ schema: "attune", same: true }]);
    });

    test("several statements give the rows of all", async () => {
      const { rows } = await storage.query("SELECT 1 AS n; SELECT 2 AS n");
      expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
    });

    test("a refused statement keeps its SQLSTATE and is not retryable", async () => {
      const error = await failure(storage.query("INSERT INTO item (id) VALUES ($1), ($1)", [10]));
      expect(error).toMatchObject({ code: "23505" });
      expect(error).not.toBeInstanceOf(AttuneError);
    });

    test("a parameter that can't be encoded harms nothing", async () => {
      const circular: Record<string, unknown> = {};
      circular["self"] = circular;
      for (const value of [circular, new Date(Number.NaN), Symbol("no")]) {
        expect(await failure(storage.query("SELECT $1::text AS v", [value]))).toBeInstanceOf(Error);
      }
      expect((await storage.query("SELECT $1::text AS v", ["fine"])).rows).toEqual([{ v: "fine" }]);
    });

    test("a statement that failed to parse works once its table exists", async () => {
      const insert = () => storage.query("INSERT INTO late (id) VALUES ($1)", [1]);
      expect(await failure(insert())).toMatchObject({ code: "42P01" });
      await storage.query("CREATE TABLE late (id int)");
      expect((await insert()).rowCount).toBe(1);
    });

    test("a transaction left open by a text of several statements does not reach the next caller", async () => {
      await failure(storage.query("BEGIN; SELECT 1/0"));
      await storage.query("BEGIN");
      const states = await Promise.all(
        Array.from({ length: 12 }, () => storage.query("SELECT now() = statement_timestamp() AS own_transaction")),
      );
      expect(states.every(({ rows }) => rows[0]?.["own_transaction"] === true)).toBe(true);
    });

    test("a transaction commits what it resolves with", async () => {
      const result = await storage.transaction(async (tx) => {
        await tx.query("INSERT INTO item (id) VALUES ($1)", [20]);
        expect(await count("id = 20")).toBe(0);
        return "done";
      });
      expect(result).toBe("done");
      expect(await count("id = 20")).toBe(1);
    });

    test("a transaction that rejects leaves nothing and passes its reason on", async () => {
      const reason = new Error("mine");
      const error = await failure(
        storage.transaction(async (tx) => {
          await tx.query("INSERT INTO item (id) VALUES (30)");
          throw reason;
        }),
      );
      expect(error).toBe(reason);
      expect(await count("id = 30")).toBe(0);
    });

    test("an error in the middle of statements sent together undoes all of them", async () => {
      const error = await failure(
        storage.transaction(async (tx) => {
          const insert = (id: number) => tx.query("INSERT INTO item (id) VALUES ($1)", [id]);
          await Promise.all([insert(40), insert(41), insert(40), insert(42), tx.query("SELECT 1; SELECT 2")]);
        }),
      );
      expect(error).toMatchObject({ code: "23505" });
      expect(await count("id BETWEEN 40 AND 49")).toBe(0);
      expect((await storage.query("INSERT INTO item (id) VALUES ($1)", [49])).rowCount).toBe(1);
    });

    test("a failed statement fails the transaction even when nobody waited for it or its error was caught", async () => {
      const unawaited = storage.transaction(async (tx) => {
        void tx.query("INSERT INTO item (id) VALUES ($1)", [50]);
        void tx.query("SELECT 1/$1::int", [0]);
      });
      expect(await failure(unawaited)).toMatchObject({ code: "22012" });
      const caught = storage.transaction(async (tx) => {
        await tx.query("INSERT INTO item (id) VALUES ($1)", [51]);
        await tx.query("SELECT 1/$1::int", [0]).catch(() => {});
      });
      expect(await failure(caught)).toMatchObject({ code: "22012" });
      expect(await count("id IN (50, 51)")).toBe(0);
    });

    test("statements of a transaction that is over are refused", async () => {
      const tx = await storage.transaction(async (inner) => inner);
      expect((await failure(tx.query("SELECT 1"))).message).toContain("over");
    });

    test("transactions side by side, more than there are connections, don't mix", async () => {
      await storage.query("INSERT INTO item (id, note) VALUES (60, '0')");
      const increment = () =>
        storage.transaction(async (tx) => {
          const { rows } = await tx.query<{ n: number }>("SELECT note::int AS n FROM item WHERE id = $1 FOR UPDATE", [60]);
          await tx.query("UPDATE item SET note = $2 WHERE id = $1", [60, String((rows[0]?.n ?? 0) + 1)]);
        });
      await Promise.all(Array.from({ length: 60 }, increment));
      expect(await count("id = 60 AND note = '60'")).toBe(1);
    });

    test("a crash of the server rejects what is under way as retryable; then all goes on, and nothing committed is lost", async () => {
      await storage.query("INSERT INTO item (id) VALUES ($1)", [70]);
      const alone = failure(storage.query("SELECT pg_sleep($1)", [30]));
      const inside = failure(
        storage.transaction(async (tx) => {
          await tx.query("INSERT INTO item (id) VALUES ($1)", [71]);
          await tx.query("SELECT pg_sleep($1)", [30]);
        }),
      );
      await until("both sleep", async () => {
        const { rows } = await storage.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        return rows.length === 2;
      });
      await opened.crash();
      for (const error of await Promise.all([alone, inside])) {
        expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
      }
      await until("the storage answers again", async () => {
        try {
          return (await storage.query("SELECT 1")).rowCount === 1;
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
          return false;
        }
      });
      expect(await count("id = 70")).toBe(1);
      expect(await count("id = 71")).toBe(0);
    });
  });
}

/** What a promise rejects with; fails when it resolves. */
export async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
    },
    (thrown: Error) => thrown,
  );
}
