import assert from "node:assert/strict";
import { type Case, isAttuneError, rejection, same } from "./case.ts";
import type { StorageCase } from "./storage.ts";

/** Single statements: values both ways, names, mistakes. */
export function sqlCases(define: StorageCase): readonly Case[] {
  return [
    define(
      {
        name: "values keep their type",
        hint: "numbers for bigint that fit and text for those that don't, Date for timestamptz, Buffer for bytea, arrays for arrays",
      },
      async ({ storage }) => {
        const at = new Date("2026-02-03T04:05:06.789Z");
        const { rows } = await storage.query(
          `SELECT $1::bigint AS small, '9007199254740993'::bigint AS big, $2::timestamptz AS at, $3::jsonb AS json, $4::text[] AS texts,
           $5::bigint[] AS bigs, $6::bytea AS bytes, $7::text AS nothing, $8::boolean AS yes, 1.5::float8 AS float`,
          [42, at, JSON.stringify([{ a: [1, null] }]), ["a", 'q"\\,{}', null, ""], [1, 2], new Uint8Array([0, 255]), null, true],
        );
        same(
          "the row",
          { ...rows[0] },
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
        );
      },
    ),

    define(
      { name: "rows are inserted from arrays", hint: "bind a list of values as a PostgreSQL array, and give rowCount" },
      async ({ storage, itemTable, count }) => {
        const table = await itemTable();
        const ids = [1, 2, 3];
        const insert = `INSERT INTO ${table} (id, note) SELECT * FROM unnest($1::int[], $2::text[])`;
        same("the row count", (await storage.query(insert, [ids, ["a", null, "c"]])).rowCount, 3);
        same("the number of rows", await count(table, "id <= 3"), 3);
      },
    ),

    define(
      { name: "unqualified names mean the schema attune", hint: "open each connection with search_path = attune" },
      async ({ storage, itemTable }) => {
        const table = await itemTable();
        const { rows } = await storage.query(
          `SELECT current_schema() AS schema, '${table}'::regclass = 'attune.${table}'::regclass AS same`,
        );
        same("what a name means", { ...rows[0] }, { schema: "attune", same: true });
      },
    ),

    define(
      {
        name: "several statements give the rows of all",
        hint: "a text without values may hold several statements: add up their rows",
      },
      async ({ storage }) => {
        const { rows } = await storage.query("SELECT 1 AS n; SELECT 2 AS n");
        same(
          "the list of rows",
          rows.map((row) => ({ ...row })),
          [{ n: 1 }, { n: 2 }],
        );
      },
    ),

    define(
      {
        name: "a refused statement keeps its SQLSTATE and is not retryable",
        hint: "reject with an error whose code is the SQLSTATE; AttuneErrors are for servers that can't be reached",
      },
      async ({ storage, itemTable }) => {
        const error = await rejection(storage.query(`INSERT INTO ${await itemTable()} (id) VALUES ($1), ($1)`, [10]));
        same("the code of a duplicate key", error.code, "23505");
        assert(!isAttuneError(error), "a mistake in a statement is told as one of the server");
      },
    ),

    define(
      { name: "a parameter that can't be encoded harms nothing", hint: "encode all values before anything is sent" },
      async ({ storage }) => {
        const circular: Record<string, unknown> = {};
        circular["self"] = circular;
        for (const value of [circular, new Date(Number.NaN), Symbol("no")]) {
          await rejection(storage.query("SELECT $1::text AS v", [value]));
        }
        same("the next value", (await storage.query("SELECT $1::text AS v", ["fine"])).rows[0]?.["v"], "fine");
      },
    ),

    define(
      {
        name: "a statement that failed to parse works once its table exists",
        hint: "a statement whose preparation failed must be prepared anew the next time",
      },
      async ({ storage, newTable }) => {
        const table = newTable();
        const insert = () => storage.query(`INSERT INTO ${table} (id) VALUES ($1)`, [1]);
        same("the code of a missing table", (await rejection(insert())).code, "42P01");
        await storage.query(`CREATE TABLE attune.${table} (id int)`);
        same("the row count", (await insert()).rowCount, 1);
      },
    ),
  ];
}
