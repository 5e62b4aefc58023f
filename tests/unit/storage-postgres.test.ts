import { expect, test } from "bun:test";
import { AttuneError } from "../../src/core/errors.ts";
import { preferredAccount, socketDirs } from "../../src/plugins/storage/postgres/account.ts";
import { connectError, storageError } from "../../src/plugins/storage/postgres/failure.ts";
import { encodeParameter } from "../../src/plugins/storage/postgres/values.ts";

const id = "0123456789ab";

test("the server runs as attune, else postgres, else nobody, and never as root", () => {
  const root = "root:x:0:0::/root:/bin/sh\n";
  const nobody = "nobody:x:65534:65533::/:/bin/false\n";
  const postgres = "postgres:x:101:104::/:/bin/false\n";
  expect(preferredAccount(`${root}${nobody}${postgres}attune:x:900:901::/:/bin/false`)).toEqual({
    name: "attune",
    uid: 900,
    gid: 901,
  });
  expect(preferredAccount(root + nobody + postgres).name).toBe("postgres");
  expect(preferredAccount(root + nobody)).toEqual({ name: "nobody", uid: 65534, gid: 65533 });
  expect(preferredAccount(root)).toEqual({ name: "nobody", uid: 65534, gid: 65534 });
  expect(preferredAccount("attune:x:0:0::/:/bin/sh\n").name).toBe("nobody");
});

test("the socket's directory is chosen so that its path fits", () => {
  expect(socketDirs(id, true, undefined, "/tmp")[0]).toBe(`/run/attune/${id}`);
  expect(socketDirs(id, false, "/run/user/1000", "/tmp")[0]).toBe(`/run/user/1000/attune-${id}`);
  expect(socketDirs(id, false, undefined, "/var/tmp")[0]).toBe(`/var/tmp/attune-${id}`);
  // A path of exactly 107 bytes is the longest; one more falls back.
  const longest = "/".padEnd(107 - `/attune-${id}/.s.PGSQL.5432`.length, "x");
  expect(socketDirs(id, false, longest, "/tmp")[0]).toStartWith(longest);
  expect(socketDirs(id, false, `${longest}x`, "/tmp")[0]).toBe(`/tmp/attune-${id}`);
  expect(socketDirs(id, false, "/".padEnd(60, "é"), `${longest}x`)).toEqual([`/tmp/attune-${id}`]);
});

test("arrays are PostgreSQL arrays, objects JSON", () => {
  expect(encodeParameter(["a", 'b"\\', null, 3, true, ["x"], new Uint8Array([1, 255])])).toBe(
    '{"a","b\\"\\\\",NULL,"3","true",{"x"},"\\\\x01ff"}',
  );
  expect(encodeParameter({ a: [1] })).toBe('{"a":[1]}');
  expect(encodeParameter(12n)).toBe("12");
  expect(encodeParameter(undefined)).toBeNull();
  expect(() => encodeParameter(new Date(Number.NaN))).toThrow();
});

test("what may pass by itself is retryable, what a statement did wrong is left as it is", () => {
  const withCode = (code: string) => Object.assign(new Error("it failed"), { code });
  for (const code of ["ECONNREFUSED", "57P01", "57P02", "57P03", "08006", "53300"]) {
    const error = storageError(withCode(code), "PostgreSQL");
    expect(error).toMatchObject({ code: "DATABASE_UNAVAILABLE", retryable: true });
    expect(error.cause).toBeDefined();
  }
  for (const message of ["Connection terminated unexpectedly", "timeout expired", "Query read timeout"]) {
    expect(storageError(new Error(message), "PostgreSQL")).toBeInstanceOf(AttuneError);
  }
  const refused = withCode("23505");
  expect(storageError(refused, "PostgreSQL")).toBe(refused);
  expect(connectError(withCode("28P01"), "PostgreSQL")).toMatchObject({ retryable: false, hint: expect.any(String) });
  expect(connectError(new AggregateError([withCode("ECONNREFUSED")]), "PostgreSQL").retryable).toBe(true);
});
