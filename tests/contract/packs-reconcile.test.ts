import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { recordReload } from "../../src/core/packs/reload/history.ts";
import type { ReconcilerOptions } from "../../src/core/packs/reload/reconcile.ts";
import { insertApiRule } from "../../src/core/packs/reload/rule-store.ts";
import { createVersions } from "../../src/core/packs/versions/versions.ts";
import type { RuleDefinition, Runtime } from "../../src/core/registry.ts";
import { usable } from "../../src/core/runtimes/runtimes.ts";
import { createPacks, smallPack, withPostgres } from "../support/engine.ts";
import { brief } from "../support/pack-scans.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const { database } = withPostgres();

const awk = (ref: string, name: string, aliases = "") =>
  `ref: ${ref}\nname: ${name}\n${aliases}execution_config:\n  interpreter: {binary: awk, args: [-f], file_extension: .awk}\n`;
const user = (runner: string) => ({
  "q/pack.yaml": 'ref: q\nversion: "1.0.0"\n',
  "q/actions/a.yaml": `ref: q.a\nrunner_type: ${runner}\nentry_point: a.awk\n`,
  "q/actions/a.awk": "BEGIN { print 1 }\n",
});

describe("mistakes", () => {
  test("a broken component keeps its last good version, the rest of its pack goes live, and correcting it ends the report", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write(smallPack("echo one", { r: "" }));
    await packs.reconciler.reload();
    const good = packs.reconciler.registry.packs.get("p")?.actions.get("p.a");
    expect(good).toBeDefined();

    packs.write({ "p/actions/a.yaml": "ref: p.a\nrunner_type: shell\nentry_point: [\n", "p/triggers/u.yaml": "ref: p.u\n" });
    const reports = await packs.reconciler.reload("p");
    expect(reports.find(({ pack }) => pack === "p")).toMatchObject({ added: ["p.u"], removed: [] });
    const pack = packs.reconciler.registry.packs.get("p");
    expect(pack?.actions.get("p.a")).toEqual(good!);
    expect(pack?.problems.map(brief)).toEqual([expect.stringMatching(/^error actions\/a\.yaml:[34]:\d+ /)]);
    expect(packs.reconciler.registry.rulesByTrigger.get("p.t")).toHaveLength(1);

    packs.write(smallPack("echo two", { r: "" }));
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("p")?.problems).toEqual([]);
    expect(packs.reconciler.registry.packs.get("p")?.actions.get("p.a")?.hash).not.toBe(good!.hash);
  });

  test("a pack.yaml that breaks keeps its pack; one that never worked is named as broken and loads once it is corrected", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({ ...smallPack("echo hi"), "q/pack.yaml": "ref: q\nversion: [\n" });
    await packs.reconciler.reload();
    expect(packs.reconciler.broken.get("q")?.map(brief)).toEqual([expect.stringMatching(/^error pack\.yaml:\d+:\d+ /)]);

    packs.write({ "p/pack.yaml": "ref: p\nversion: {\n" });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("p")?.actions.has("p.a")).toBe(true);
    expect(packs.reconciler.registry.packs.get("p")?.problems.map(brief)).toEqual([
      expect.stringMatching(/^error pack\.yaml:\d+:\d+ /),
    ]);

    packs.write({ "q/pack.yaml": 'ref: q\nversion: "1.0.0"\n' });
    await packs.reconciler.reload();
    expect(packs.reconciler.broken.size).toBe(0);
    expect(packs.reconciler.registry.packs.has("q")).toBe(true);
  });

  test("a rule on an unknown trigger or action is reported where it says so, and works as soon as they are there", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({
      ...smallPack("echo hi"),
      "q/pack.yaml": 'ref: q\nversion: "1.0.0"\n',
      "q/rules/r.yaml": "ref: q.r\ntrigger_ref: p.later\naction_ref: p.aa\n",
    });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("q")?.problems.map((problem) => [brief(problem), problem.hint])).toEqual([
      ["error rules/r.yaml:2:14 there is no trigger p.later", expect.any(String)],
      ["error rules/r.yaml:3:13 there is no action p.aa", "did you mean p.a?"],
    ]);
    expect(packs.reconciler.registry.rules.get("q.r")).toMatchObject({ unresolved: "there is no trigger p.later" });

    packs.write({
      "p/triggers/later.yaml": "ref: p.later\n",
      "q/rules/r.yaml": "ref: q.r\ntrigger_ref: p.later\naction_ref: p.a\n",
    });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("q")?.problems).toEqual([]);
    expect(packs.reconciler.registry.rules.get("q.r")?.unresolved).toBeNull();
  });

  test("of two packs with one ref the first serves and the second is named", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({ ...smallPack("echo hi"), "zz/pack.yaml": 'ref: p\nversion: "9.0.0"\n', "zz/triggers/x.yaml": "ref: p.x\n" });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("p")).toMatchObject({ manifest: { version: "1.0.0" } });
    const second = [...packs.reconciler.broken.values()].flat();
    expect(second.map(({ message }) => message)).toEqual([`the ref p is taken by ${join(packs.dir, "p")}`]);

    rmSync(join(packs.dir, "p"), { recursive: true });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("p")).toMatchObject({ manifest: { version: "9.0.0" } });
    expect(packs.reconciler.broken.size).toBe(0);
  });
});

describe("which packs", () => {
  test("auto_load restricts, but core is always there; a core among the packs replaces the built-in one", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage, { autoLoad: ["p"] });
    packs.write({ ...smallPack("echo hi"), ...user("shell") });
    await packs.reconciler.reload();
    expect([...packs.reconciler.registry.packs.keys()].sort()).toEqual(["core", "p"]);
    packs.write({ "core/pack.yaml": 'ref: core\nversion: "7.0.0"\n' });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("core")?.manifest.version).toBe("7.0.0");
    rmSync(join(packs.dir, "core"), { recursive: true });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("core")?.manifest.version).toBe("1.0.0");
  });

  test("a pack that gets another ref is the old one retired and a new one loaded", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({ "x/pack.yaml": 'ref: x\nversion: "1.0.0"\n', "x/triggers/t.yaml": "ref: x.t\n" });
    await packs.reconciler.reload();
    renameSync(join(packs.dir, "x"), join(packs.dir, "y"));
    packs.write({ "y/pack.yaml": 'ref: y\nversion: "1.0.0"\n', "y/triggers/t.yaml": "ref: y.t\n" });
    await packs.reconciler.reload();
    expect([...packs.reconciler.registry.packs.keys()].sort()).toEqual(["core", "y"]);
    const { rows } = await db.storage.query("SELECT ref FROM pack WHERE retired_at IS NOT NULL");
    expect(rows).toEqual([{ ref: "x" }]);
  });

  test("reloading a pack that is not there names the nearest", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({ "weather/pack.yaml": 'ref: weather\nversion: "1.0.0"\n' });
    await expect(packs.reconciler.reload("wether")).rejects.toMatchObject({ code: "NOT_FOUND", hint: "did you mean weather?" });
  });
});

describe("runtimes that packs bring", () => {
  test("serve other packs too, whichever is read first, and may be renamed", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({ ...user("awk"), "z/pack.yaml": 'ref: z\nversion: "1.0.0"\n', "z/runtimes/awk.yaml": awk("z.awk", "awk") });
    await packs.reconciler.reload();
    const action = () => packs.reconciler.registry.packs.get("q")?.actions.get("q.a");
    expect(action()).toMatchObject({ runtime: "z.awk" });
    const { rows } = await db.storage.query(
      "SELECT r.ref FROM action a JOIN runtime r ON r.id = a.runtime_id WHERE a.ref = 'q.a'",
    );
    expect(rows).toEqual([{ ref: "z.awk" }]);

    packs.write({ ...user("mawk"), "z/runtimes/awk.yaml": awk("z.mawk", "mawk") });
    await packs.reconciler.reload();
    expect(action()).toMatchObject({ runtime: "z.mawk" });
    const { rows: live } = await db.storage.query("SELECT ref FROM runtime WHERE retired_at IS NULL AND pack_ref = 'z'");
    expect(live).toEqual([{ ref: "z.mawk" }]);
  });

  test("one that claims a name already taken is refused where it says so, and nothing else is", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    packs.write({
      ...smallPack("echo hi"),
      "z/pack.yaml": 'ref: z\nversion: "1.0.0"\n',
      "z/runtimes/awk.yaml": awk("z.awk", "awk", "aliases: [bash]\n"),
      "z/triggers/t.yaml": "ref: z.t\n",
    });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.packs.get("p")?.actions.get("p.a")).toMatchObject({ runtime: "core.shell" });
    expect(packs.reconciler.registry.packs.get("z")?.triggers.has("z.t")).toBe(true);
    expect(packs.reconciler.registry.runtimes.has("z.awk")).toBe(false);
    expect(packs.reconciler.registry.packs.get("z")?.problems.map(brief)).toEqual([
      "error runtimes/awk.yaml:3:10 the runtime z.awk claims the name bash, which core.shell has",
    ]);
    packs.write({ "z/runtimes/awk.yaml": awk("z.awk", "awk") });
    await packs.reconciler.reload();
    expect(packs.reconciler.registry.runtimes.has("z.awk")).toBe(true);
    expect(packs.reconciler.registry.packs.get("z")?.problems).toEqual([]);
  });
});

test("a stored rule that no longer compiles keeps nothing else from loading, and says why it does not fire", async () => {
  await using db = await database();
  using first = await createPacks(db.storage);
  first.write(smallPack("echo hi", { r: "" }));
  await first.reconciler.reload();
  const rule: RuleDefinition = {
    kind: "rule",
    ref: "p.old",
    pack: "p",
    label: "",
    description: null,
    enabled: true,
    tags: [],
    file: "",
    hash: "1",
    trigger: "p.t",
    action: "p.a",
    when: "no (longer valid",
    conditions: null,
    trigger_params: {},
    action_params: {},
  };
  await insertApiRule(db.storage, rule);
  using second = await createPacks(db.storage);
  second.write(smallPack("echo hi", { r: "" }));
  await second.reconciler.reload();
  const { rules } = second.reconciler.registry;
  expect([...rules.keys()].sort()).toEqual(["p.old", "p.r"]);
  expect(() => rules.get("p.old")?.decide({ id: "1", trigger: "p.t", payload: {}, created: "" })).toThrow();
});

test("after a restart a component that is broken on disk is served as it last worked", async () => {
  await using db = await database();
  using first = await createPacks(db.storage);
  const reload = async (packs: typeof first) => {
    for (const report of await packs.reconciler.reload()) await recordReload(db.storage, report);
  };
  first.write(smallPack("echo good", { r: "" }));
  await reload(first);
  const good = first.reconciler.registry.packs.get("p")?.snapshot;
  first.write({ "p/actions/a.yaml": "ref: p.a\nrunner_type: shell\nentry_point: b.sh\n", "p/actions/a.sh": "echo bad\n" });
  await reload(first);

  using second = await createPacks(db.storage, { directories: [first.dir], snapshots: first.snapshots });
  await reload(second);
  const { registry } = second.reconciler;
  expect(registry.packs.get("p")?.problems.map(brief)).toEqual([
    "error actions/a.yaml:3:14 `entry_point` names no file: there is no actions/b.sh",
  ]);
  expect(registry.rules.get("p.r")?.unresolved).toBeNull();
  const action = await createVersions(() => registry, second.snapshots)("p.a", null);
  expect(action?.dir).toBe(good?.dir ?? "");
  expect(readFileSync(action?.entrypoint ?? "", "utf8")).toContain("echo good");

  first.write({ "p/actions/a.yaml": "ref: p.a\nrunner_type: shell\nentry_point: a.sh\n" });
  await reload(second);
  const mended = await createVersions(() => second.reconciler.registry, second.snapshots)("p.a", null);
  expect(readFileSync(mended?.entrypoint ?? "", "utf8")).toContain("echo bad");
});

test("a runtime whose file gets broken serves as it was, also after a restart", async () => {
  await using db = await database();
  using first = await createPacks(db.storage);
  const reload = async (packs: typeof first) => {
    for (const report of await packs.reconciler.reload()) await recordReload(db.storage, report);
    const { runtimes, packs: loaded } = packs.reconciler.registry;
    return [runtimes.get("p.awk")?.state.available, loaded.get("q")?.actions.get("q.a")?.runtime];
  };
  first.write({ "p/pack.yaml": 'ref: p\nversion: "1.0.0"\n', "p/runtimes/awk.yaml": awk("p.awk", "awk"), ...user("awk") });
  expect(await reload(first)).toEqual([true, "p.awk"]);
  first.write({ "p/runtimes/awk.yaml": "ref: p.awk\nexecution_config: 5\n" });
  expect(await reload(first)).toEqual([true, "p.awk"]);
  using second = await createPacks(db.storage, { directories: [first.dir], snapshots: first.snapshots });
  expect(await reload(second)).toEqual([true, "p.awk"]);
  rmSync(join(first.dir, "p/runtimes/awk.yaml"));
  expect(await reload(second)).toEqual([undefined, "awk"]);
});

describe("runtimes of plugins", () => {
  const plugin = (description: string): Runtime => ({
    ref: "local.awk",
    name: "awk",
    description,
    aliases: [],
    extensions: [".awk"],
    source: "plugins/awk.ts",
    revision: description,
    state: { available: true, interpreters: [{}] },
    launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
    environment: null,
    refused: { action: null, sensor: null },
  });

  test("one that comes, changes or goes is served at once, and only what uses it is read anew", async () => {
    await using db = await database();
    const published: string[][] = [];
    const options: Partial<ReconcilerOptions> = {
      published: (_registry, reports) => void published.push(reports.flatMap(({ added, changed }) => [...added, ...changed])),
    };
    using packs = await createPacks(db.storage, options);
    const { reconciler } = packs;
    packs.write({ ...smallPack("echo hi"), ...user("awk") });
    await reconciler.reload();
    const base = [...reconciler.registry.runtimes.values()];
    const action = () => reconciler.registry.packs.get("q")?.actions.get("q.a");
    const other = reconciler.registry.packs.get("p")?.actions.get("p.a");
    expect(usable(reconciler.registry, action()!)).toMatchObject({
      available: false,
      reason: expect.stringContaining("nothing provides awk"),
    });
    expect(reconciler.registry.packs.get("q")?.problems).toHaveLength(1);

    published.length = 0;
    await reconciler.useRuntimes([...base, plugin("first")]);
    expect(action()?.runtime).toBe("local.awk");
    expect(usable(reconciler.registry, action()!)).toMatchObject({ available: true, runtime: { description: "first" } });
    expect(reconciler.registry.packs.get("q")?.problems).toEqual([]);
    expect(published).toEqual([["q.a"]]);

    // The same words: no pack is looked at.
    const before = action();
    await reconciler.useRuntimes([...base, plugin("second")]);
    expect(usable(reconciler.registry, action()!)).toMatchObject({ available: true, runtime: { description: "second" } });
    expect(action()).toBe(before!);
    expect(published).toEqual([["q.a"], []]);
    const { rows } = await db.storage.query<{ description: string }>("SELECT description FROM runtime WHERE ref = 'local.awk'");
    expect(rows).toHaveLength(1);

    await reconciler.useRuntimes(base);
    expect(usable(reconciler.registry, action()!).available).toBe(false);
    expect(reconciler.registry.packs.get("p")?.actions.get("p.a")).toBe(other!);
  });

  test("one takes the place of a pack's runtime of the same name, which is no mistake of the pack, and gives it back", async () => {
    await using db = await database();
    using packs = await createPacks(db.storage);
    const { reconciler } = packs;
    await reconciler.reload();
    const base = [...reconciler.registry.runtimes.values()];
    packs.write({ "z/pack.yaml": 'ref: z\nversion: "1.0.0"\n', "z/runtimes/awk.yaml": awk("z.awk", "awk"), ...user("awk") });
    await reconciler.reload();
    const runtime = () => reconciler.registry.packs.get("q")?.actions.get("q.a")?.runtime;
    const problems = () => reconciler.registry.packs.get("z")?.problems.map(brief);
    expect([runtime(), problems()]).toEqual(["z.awk", []]);
    await reconciler.useRuntimes([...base, plugin("first")]);
    const told = "warning runtimes/awk.yaml:2:7 the runtime z.awk claims the name awk, which local.awk has";
    expect([runtime(), problems()]).toEqual(["local.awk", [told]]);
    await reconciler.useRuntimes(base);
    expect([runtime(), problems()]).toEqual(["z.awk", []]);
  });
});
