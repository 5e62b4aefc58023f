import { expect, setDefaultTimeout, test } from "bun:test";
import { createPacks, withPostgres } from "../support/engine.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database } = withPostgres();

const pack = (ref: string, version: string, dependencies: string) => ({
  [`${ref}/pack.yaml`]: `ref: ${ref}\nversion: "${version}"\ndependencies: ${dependencies}\n`,
});

test("what a pack needs and does not find is shown at its place, and goes away when it is there", async () => {
  await using db = await database();
  using live = await createPacks(db.storage);
  const shown = async (ref: string) => {
    await live.reconciler.reload();
    const problems = live.reconciler.registry.packs.get(ref)?.problems ?? live.reconciler.broken.get(ref) ?? [];
    return problems.map(({ severity, line, column, message, hint }) => [severity, line, column, message, hint]);
  };

  live.write({ ...pack("app", "1.0.0", '["base@^2", { ref: extra, version: ">=1.0, <2.0" }]'), ...pack("bass", "1.0.0", "[]") });
  expect(await shown("app")).toEqual([
    ["error", 3, 16, "the pack base is needed and not there", "did you mean bass?"],
    ["error", 3, 27, "the pack extra is needed and not there", "attune pack install extra"],
  ]);
  live.write({ ...pack("base", "1.9.0", "[]"), ...pack("extra", "1.5.0", "[]") });
  expect(await shown("app")).toEqual([
    ["error", 3, 16, "the pack base is needed in a version that satisfies >=2.0.0 <3.0.0-0, and 1.9.0 is there", null],
  ]);
  live.write(pack("base", "2.1.0", "[]"));
  expect(await shown("app")).toEqual([]);

  live.write(pack("base", "2.1.0", "[app]"));
  expect(await shown("app")).toEqual([
    ["error", 3, 16, "the packs need each other: app -> base -> app", "take one of these dependencies out"],
  ]);
  expect(await shown("base")).toEqual([
    ["error", 3, 16, "the packs need each other: base -> app -> base", "take one of these dependencies out"],
  ]);
});

test("packs are registered after those they need", async () => {
  await using db = await database();
  using live = await createPacks(db.storage);
  live.write({ ...pack("a", "1.0.0", "[b]"), ...pack("b", "1.0.0", "[c]"), ...pack("c", "1.0.0", "[]") });
  await live.reconciler.reload();
  const { rows } = await db.storage.query<{ ref: string }>("SELECT ref FROM pack WHERE ref IN ('a', 'b', 'c') ORDER BY id", []);
  expect(rows.map(({ ref }) => ref)).toEqual(["c", "b", "a"]);
});

test("dependencies that can't be read are mistakes, and a needed runtime that is not there is a warning", async () => {
  await using db = await database();
  using live = await createPacks(db.storage);
  live.write({
    "p/pack.yaml": 'ref: p\nversion: "1.0.0"\ndependencies:\n  - ok >=1.0\n  - ok@banana\n  - { version: "1" }\n  - -ox\n',
    "q/pack.yaml": 'ref: q\nversion: "1.0.0"\nruntime_deps: [shell, shel]\n',
  });
  await live.reconciler.reload();
  expect(live.reconciler.broken.get("p")?.map(({ line, message }) => [line, message])).toEqual([
    [5, '"banana" is no range of versions'],
    [6, "this is no dependency"],
    [7, "this is no dependency"],
  ]);
  expect(live.reconciler.registry.packs.get("q")?.problems).toMatchObject([
    { severity: "warning", line: 3, message: "the runtime shel is needed: nothing provides it", hint: "did you mean shell?" },
  ]);
});
