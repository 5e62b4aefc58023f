import { expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { settlingTime } from "../../src/core/packs/reload/reconcile.ts";
import type { Registry } from "../../src/core/registry.ts";
import { smallPack, withPostgres } from "../support/engine.ts";
import { livePacks } from "../support/live.ts";
import { writePack } from "../support/packs.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const { database } = withPostgres();

/** Milliseconds after which bad news of a save has been told, if there was any. */
const badNews = settlingTime + 50;
const actionText = (label: string) => `ref: p.a\nlabel: ${label}\nrunner_type: shell\nentry_point: a.sh\n`;
const label = (registry: Registry, ref = "p.a") => registry.packs.get(ref.split(".")[0] ?? "")?.actions.get(ref)?.label;
const pack = (ref: string, version = "1.0.0") => ({
  [`${ref}/pack.yaml`]: `ref: ${ref}\nversion: ${version}\n`,
  [`${ref}/actions/a.yaml`]: `ref: ${ref}.a\nlabel: "${version}"\nrunner_type: shell\nentry_point: a.sh\n`,
  [`${ref}/actions/a.sh`]: "echo a\n",
});

/** As vim does with its default settings, in a directory it may write to. */
function saveLikeVim(file: string, text: string): void {
  const probe = join(dirname(file), "4913");
  writeFileSync(probe, "");
  unlinkSync(probe);
  renameSync(file, `${file}~`);
  writeFileSync(file, text);
  unlinkSync(`${file}~`);
}

/** Each writes `text` to `file`, which exists, as some editor or tool does. */
const waysOfSaving: Record<string, (file: string, text: string) => void | Promise<void>> = {
  "in place": (file, text) => writeFileSync(file, text),
  "by rename": (file, text) => {
    writeFileSync(`${file}.tmp`, text);
    renameSync(`${file}.tmp`, file);
  },
  "by rename from elsewhere": (file, text) => {
    const draft = join(dirname(dirname(dirname(dirname(file)))), "draft");
    writeFileSync(draft, text);
    renameSync(draft, file);
  },
  "with a backup, like vim": saveLikeVim,
  "with a backup, slowly": async (file, text) => {
    renameSync(file, `${file}~`);
    await sleep(60);
    writeFileSync(file, text);
    await sleep(20);
    unlinkSync(`${file}~`);
  },
  "in place after a copy for backup": (file, text) => {
    copyFileSync(file, `${file}~`);
    writeFileSync(file, text);
  },
  "in two chunks": async (file, text) => {
    writeFileSync(file, text.slice(0, text.length / 2));
    await sleep(10);
    appendFileSync(file, text.slice(text.length / 2));
  },
  "emptied first": async (file, text) => {
    writeFileSync(file, "");
    await sleep(60);
    writeFileSync(file, text);
  },
  "a new file in two chunks, after the old one was removed": async (file, text) => {
    unlinkSync(file);
    writeFileSync(file, text.slice(0, text.length / 2));
    await sleep(10);
    appendFileSync(file, text.slice(text.length / 2));
  },
};

test.each(Object.keys(waysOfSaving))("saved %s, a file goes live once, and no mistake is ever shown", async (way) => {
  await using db = await database();
  await using live = await livePacks(db, smallPack("echo hi", { r: "" }));
  const file = join(live.packs.dir, "p/actions/a.yaml");
  // Twice: what a first save left in the watcher's memory must not spoil the second.
  for (const wanted of ["one", "two"]) {
    await waysOfSaving[way]?.(file, actionText(wanted));
    await live.serves("the saved file", (registry) => label(registry) === wanted);
    await sleep(100);
  }
  await sleep(badNews);
  expect(live.shown()).toEqual([]);
  expect(live.reports.map(({ added, changed, removed }) => ({ added, changed, removed }))).toEqual([
    { added: [], changed: ["p.a"], removed: [] },
    { added: [], changed: ["p.a"], removed: [] },
  ]);
});

const rule = (trigger: string) => `ref: p.r\ntrigger_ref: ${trigger}\naction_ref: p.a\n`;

test.each([
  ["of its own pack", "p", 0],
  ["of another pack", "q", 0],
  ["of another pack, saved a little later", "q", 150],
])("a rule and the trigger it needs, %s, saved together go live together", async (_name, owner, pause) => {
  await using db = await database();
  await using live = await livePacks(db, { ...smallPack("echo hi"), ...pack("q") });
  live.packs.write({ "p/rules/r.yaml": rule(`${owner}.new`) });
  await sleep(pause);
  live.packs.write({ [`${owner}/triggers/new.yaml`]: `ref: ${owner}.new\n` });
  await live.serves("the rule", (registry) => registry.rulesByTrigger.get(`${owner}.new`)?.length === 1);
  await sleep(badNews);
  expect(live.shown()).toEqual([]);
});

test("a rule saved without its trigger says what is missing, and no longer once that is there", async () => {
  await using db = await database();
  await using live = await livePacks(db, { ...smallPack("echo hi"), ...pack("q") });
  live.packs.write({ "p/rules/r.yaml": rule("q.new") });
  await live.serves("the mistake", (registry) => registry.packs.get("p")?.problems.length === 1);
  expect(live.shown()).toEqual(["rules/r.yaml: there is no trigger q.new"]);
  live.packs.write({ "q/triggers/new.yaml": "ref: q.new\n" });
  await live.serves("the rule", (registry) => registry.rulesByTrigger.get("q.new")?.length === 1);
  expect(live.registry.packs.get("p")?.problems).toEqual([]);
});

test("checking out another branch of 500 files ends in its state, with few reloads", async () => {
  await using db = await database();
  await using live = await livePacks(db, null);
  const { dir } = live.packs;
  mkdirSync(dir, { recursive: true });
  const git = async (...args: string[]) => {
    const child = Bun.spawn(["git", "-c", "user.name=test", "-c", "user.email=test@localhost", ...args], {
      cwd: dir,
      stdout: "ignore",
      stderr: "pipe",
    });
    if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
  };
  const branch = (version: string) =>
    Object.fromEntries(
      Array.from({ length: 10 }, (_, p) => [
        [`g${p}/pack.yaml`, `ref: g${p}\nversion: ${version}\n`],
        ...Array.from({ length: 25 }, (_, a) => [
          [`g${p}/actions/a${a}.yaml`, `ref: g${p}.a${a}\nlabel: "${version}"\nrunner_type: shell\nentry_point: a${a}.sh\n`],
          [`g${p}/actions/a${a}.sh`, `echo ${version}\n`],
        ]).flat(),
      ]).flat(),
    );
  await git("init", "--quiet", "--initial-branch=one");
  live.packs.write(branch("1.0.0"));
  await git("add", ".");
  await git("commit", "--quiet", "-m", "one");
  const isAll = (version: string) => (registry: Registry) =>
    [...Array(10).keys()].every((p) => {
      const found = registry.packs.get(`g${p}`);
      return found?.manifest.version === version && [...found.actions.values()].filter((a) => a.label === version).length === 25;
    });
  await live.serves("the first branch", isAll("1.0.0"));
  await git("checkout", "--quiet", "-b", "two");
  live.packs.write({ ...branch("2.0.0"), ...pack("extra") });
  await git("add", ".");
  await git("commit", "--quiet", "-m", "two");
  await live.serves("the second branch", isAll("2.0.0"));
  await sleep(500);

  live.reports.length = 0;
  await git("checkout", "--quiet", "one");
  await live.serves("the first branch again", (registry) => isAll("1.0.0")(registry) && !registry.packs.has("extra"));
  expect(live.shown()).toEqual([]);
  const reloads = Map.groupBy(live.reports, (report) => report.pack);
  for (const made of reloads.values()) expect(made.length).toBeLessThanOrEqual(3);
  expect([...reloads.keys()].sort()).toEqual(["extra", ...[...Array(10).keys()].map((p) => `g${p}`)]);
});

test.each([
  [
    "replaced",
    (target: string, link: string) => {
      unlinkSync(link);
      symlinkSync(target, link);
    },
  ],
  [
    "replaced in one step",
    (target: string, link: string) => {
      symlinkSync(target, `${link}.new`);
      renameSync(`${link}.new`, link);
    },
  ],
])("a pack directory that is a link, %s, serves what it leads to now and follows changes there", async (_name, point) => {
  await using db = await database();
  await using live = await livePacks(db, smallPack("echo hi"));
  const releases = join(live.packs.dir, "../releases");
  writePack(join(releases, "1"), pack("linked", "1.0.0"));
  writePack(join(releases, "2"), pack("linked", "2.0.0"));
  const link = join(live.packs.dir, "linked");
  symlinkSync(join(releases, "1/linked"), link);
  await live.serves("the first release", (registry) => label(registry, "linked.a") === "1.0.0");
  for (const release of ["2", "1", "2"]) {
    point(join(releases, release, "linked"), link);
    await live.serves(`release ${release}`, (registry) => label(registry, "linked.a") === `${release}.0.0`);
  }
  await sleep(100);
  writePack(join(releases, "2"), pack("linked", "3.0.0"));
  await live.serves("a change behind the link", (registry) => label(registry, "linked.a") === "3.0.0");
  expect(live.shown()).toEqual([]);
  expect(live.reports.every(({ removed }) => removed.length === 0)).toBe(true);
});

test("a pack directory that is a link to a link follows each of them, and ends with the link", async () => {
  await using db = await database();
  await using live = await livePacks(db, smallPack("echo hi"));
  const releases = join(live.packs.dir, "../releases");
  for (const release of ["1", "2"]) writePack(join(releases, release), pack("linked", `${release}.0.0`));
  symlinkSync("1", join(releases, "current"));
  symlinkSync("../releases/current/linked", join(live.packs.dir, "linked"));
  await live.serves("the first release", (registry) => label(registry, "linked.a") === "1.0.0");
  for (const release of ["2", "1", "2"]) {
    symlinkSync(release, join(releases, "next"));
    renameSync(join(releases, "next"), join(releases, "current"));
    await live.serves(`release ${release}`, (registry) => label(registry, "linked.a") === `${release}.0.0`);
  }
  expect(live.reports.flatMap(({ removed }) => removed)).toEqual([]);
  unlinkSync(join(live.packs.dir, "linked"));
  await live.serves("its end", (registry) => !registry.packs.has("linked"));
});

test("a directory of packs that is a link itself is watched, and may be switched", async () => {
  await using db = await database();
  await using live = await livePacks(db, null);
  const elsewhere = join(live.packs.dir, "../elsewhere");
  writePack(elsewhere, pack("p", "1.0.0"));
  symlinkSync(elsewhere, live.packs.dir);
  await live.serves("the pack", (registry) => label(registry) === "1.0.0");
  writePack(elsewhere, pack("p", "2.0.0"));
  await live.serves("a change in it", (registry) => label(registry) === "2.0.0");
  writePack(`${elsewhere}2`, { ...pack("p", "3.0.0"), ...pack("q") });
  unlinkSync(live.packs.dir);
  symlinkSync(`${elsewhere}2`, live.packs.dir);
  await live.serves("what the other holds", (registry) => label(registry) === "3.0.0" && registry.packs.has("q"));
  unlinkSync(live.packs.dir);
  await live.serves("the end of all", (registry) => !registry.packs.has("p") && !registry.packs.has("q"));
});

test("a directory of packs that does not exist yet is found when it appears", async () => {
  await using db = await database();
  await using live = await livePacks(db, null);
  expect(live.registry.packs.has("p")).toBe(false);
  live.packs.write(smallPack("echo hi"));
  await live.serves("the pack", (registry) => registry.packs.has("p"));
  live.packs.write({ "p/actions/a.yaml": actionText("changed") });
  await live.serves("a change in it", (registry) => label(registry) === "changed");
});

test("a pack's directory may be renamed: the pack is the same, and changes in the new place are seen", async () => {
  await using db = await database();
  await using live = await livePacks(db, smallPack("echo hi", { r: "" }));
  renameSync(join(live.packs.dir, "p"), join(live.packs.dir, "moved"));
  await live.serves("the pack in its new place", (registry) => registry.packs.get("p")?.dir.endsWith("/moved"));
  live.packs.write({ "moved/actions/a.yaml": actionText("changed") });
  await live.serves("a change in it", (registry) => label(registry) === "changed");
  expect(live.reports.flatMap(({ removed }) => removed)).toEqual([]);
});

test("a script that may no longer be executed is a mistake, and none when it may again", async () => {
  await using db = await database();
  await using live = await livePacks(db, {
    ...smallPack("echo hi"),
    "p/actions/n.yaml": "ref: p.n\nrunner_type: native\nentry_point: n\n",
    "p/actions/n": "#!/bin/sh\necho n\n",
  });
  const script = join(live.packs.dir, "p/actions/n");
  expect(live.registry.packs.get("p")?.problems).toEqual([]);
  chmodSync(script, 0o644);
  await live.serves("the mistake", (registry) => registry.packs.get("p")?.problems.length === 1);
  expect(live.registry.packs.get("p")?.actions.has("p.n")).toBe(true);
  chmodSync(script, 0o755);
  await live.serves("no mistake", (registry) => registry.packs.get("p")?.problems.length === 0);
});

test("an empty file, and a directory in the place of a file, are mistakes which keep what was good", async () => {
  await using db = await database();
  await using live = await livePacks(db, smallPack("echo hi", { r: "" }));
  const file = join(live.packs.dir, "p/actions/a.yaml");
  const text = readFileSync(file, "utf8");
  const good = live.registry.packs.get("p")?.actions.get("p.a")?.hash;
  const mistakes = (registry: Registry) => registry.packs.get("p")?.problems.length;
  const empty = () => writeFileSync(file, "");
  const exchange = () => {
    rmSync(file);
    mkdirSync(file);
  };
  for (const spoil of [empty, exchange]) {
    spoil();
    await live.serves("the mistake", mistakes);
    expect(live.registry.packs.get("p")?.actions.get("p.a")?.hash).toBe(good!);
    rmSync(file, { recursive: true });
    writeFileSync(file, text);
    await live.serves("no mistake", (registry) => mistakes(registry) === 0);
  }
  const script = join(live.packs.dir, "p/actions/a.sh");
  rmSync(script);
  mkdirSync(script);
  await live.serves("the mistake", mistakes);
  rmSync(script, { recursive: true });
  writeFileSync(script, "echo again\n");
  await live.serves(
    "no mistake",
    (registry) => mistakes(registry) === 0 && registry.packs.get("p")?.actions.get("p.a")?.hash !== good,
  );
});

test("where changes have to be looked for, they are found too", async () => {
  process.env["CHOKIDAR_USEPOLLING"] = "1";
  try {
    await using db = await database();
    await using live = await livePacks(db, smallPack("echo hi"));
    for (const [name, save] of Object.entries(waysOfSaving).slice(0, 3)) {
      await save(join(live.packs.dir, "p/actions/a.yaml"), actionText(name));
      await live.serves(name, (registry) => label(registry) === name);
    }
    live.packs.write(pack("q"));
    await live.serves("a new pack", (registry) => registry.packs.has("q"));
    rmSync(join(live.packs.dir, "q"), { recursive: true });
    await live.serves("its end", (registry) => !registry.packs.has("q"));
    expect(live.shown()).toEqual([]);
  } finally {
    delete process.env["CHOKIDAR_USEPOLLING"];
  }
});

test("of two packs with one ref the second takes over when the first goes, and a broken pack that goes is forgotten", async () => {
  await using db = await database();
  await using live = await livePacks(db, {
    ...smallPack("echo hi"),
    "z/pack.yaml": "ref: p\nversion: 9.0.0\n",
    "z/triggers/x.yaml": "ref: p.x\n",
    "y/pack.yaml": "ref: y\nversion: [\n",
  });
  const { reconciler, dir } = live.packs;
  expect([...reconciler.broken.keys()].sort()).toEqual([`p (${join(dir, "z")})`, "y"]);
  rmSync(join(dir, "p"), { recursive: true });
  rmSync(join(dir, "y"), { recursive: true });
  await live.serves("the second", (registry) => registry.packs.get("p")?.manifest.version === "9.0.0");
  await until("nothing is broken any more", () => reconciler.broken.size === 0);
  const { rows } = await db.storage.query("SELECT ref FROM trigger WHERE retired_at IS NULL AND ref LIKE 'p.%'");
  expect(rows).toEqual([{ ref: "p.x" }]);
});
