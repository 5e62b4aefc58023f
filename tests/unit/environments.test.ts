import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createEnvironments, type Environments } from "../../src/core/environments/environments.ts";
import type { EnvironmentPlace } from "../../src/core/environments/identity.ts";
import { openEnvironmentStore } from "../../src/core/environments/store.ts";
import { createTail } from "../../src/core/environments/tail.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { EnvironmentRecipe } from "../../src/core/plugin.ts";
import { startChild } from "../../src/core/processes/child.ts";
import type { Runtime } from "../../src/core/registry.ts";
import { tempDir } from "../support/packs.ts";
import { until } from "../support/until.ts";

const never = new AbortController().signal;

/** Environments of packs with the manifest `needs.txt`, which is a shell script that gets the directory as `$1`. */
function bench(options: { recipe?: Partial<EnvironmentRecipe>; timeout?: number; dir?: ReturnType<typeof tempDir> } = {}) {
  const dir = options.dir ?? tempDir("environments");
  const inUse = new Set<string>();
  let changes = 0;
  const open = () =>
    createEnvironments({
      store: openEnvironmentStore(join(dir.path, "environments")),
      settings: {
        ...{ installer: "auto", index: null, findLinks: [], offline: false, npmRegistry: null },
        timeout: options.timeout ?? 60,
      },
      start: startChild,
      environment: { PATH: "/usr/bin:/bin", GATES: dir.path },
      inUse: () => inUse,
      changed: () => changes++,
      log: silentLogger,
    });
  const runtime: Runtime = {
    ...{ ref: "core.sh", name: "sh", description: null, aliases: [], extensions: [], source: "test", revision: "" },
    state: { available: true, interpreters: [{ version: "1.0" }] },
    launch: () => ({ argv: ["true"] }),
    environment: {
      manifests: ["needs.txt"],
      create: ({ dir: made }) => [{ argv: ["/bin/sh", "needs.txt", made] }],
      ...options.recipe,
    },
    refused: { action: null, sensor: null },
  };
  let copies = 0;
  return {
    dir: dir.path,
    inUse,
    changes: () => changes,
    open,
    /** A copy of the pack with that manifest, as a snapshot is one. */
    place(pack: string, needs: string | null, more: Partial<EnvironmentPlace> = {}): EnvironmentPlace {
      const packDir = join(dir.path, "copies", `${pack}${copies++}`);
      mkdirSync(packDir, { recursive: true });
      if (needs !== null) writeFileSync(join(packDir, "needs.txt"), needs);
      return { pack, packDir, runtime, interpreter: { version: "1.0" }, ...more };
    },
    gate: (name: string) => writeFileSync(join(dir.path, name), ""),
    [Symbol.dispose]: () => dir[Symbol.dispose](),
  };
}
/** Holds the making up until the gate is open. */
const waitFor = (gate: string) => `while [ ! -e "$GATES/${gate}" ]; do sleep 0.01; done\n`;
const made = (environments: Environments, pack: string) =>
  until(`the environment of ${pack}`, () => environments.list().find((one) => one.pack === pack && one.status === "ready")?.path);

describe("an environment", () => {
  test("is made once, privately, and found again by the next daemon", async () => {
    using all = bench();
    const place = all.place("p", 'echo x > "$1/x"; echo run >> "$GATES/runs"');
    const first = all.open();
    await first.want([place]);
    expect(first.standing(place)).toEqual({ status: "making" });
    const dir = await first.require(place, never);
    expect(readFileSync(join(dir ?? "", "x"), "utf8")).toBe("x\n");
    expect(statSync(dir ?? "").mode & 0o777).toBe(0o700);
    expect(first.standing(place)).toEqual({ status: "ready", dir });
    expect(dir).toStartWith(join(all.dir, "environments/p/sh-1.0/"));
    await first.stop();

    const second = all.open();
    await second.want([place]);
    expect(second.standing(place)).toEqual({ status: "ready", dir });
    expect(readFileSync(join(all.dir, "runs"), "utf8")).toBe("run\n");
  });

  test("is not there for a pack without manifest, nor when the recipe finds nothing to install", async () => {
    using all = bench({ recipe: { create: () => [] } });
    const [without, empty] = [all.place("without", null), all.place("empty", "nothing")];
    const environments = all.open();
    await environments.want([without, empty]);
    expect(environments.standing(without)).toEqual({ status: "ready", dir: null });
    expect(await environments.require(empty, never)).toBe(null);
    expect(environments.list()).toEqual([]);
    expect(readdirSync(join(all.dir, "environments/empty/sh-1.0"))).toEqual([]);
  });

  test("is replaced only by one that is complete, and comes back with its manifest", async () => {
    using all = bench();
    const environments = all.open();
    const first = all.place("p", 'echo 1 > "$1/x"');
    await environments.want([first]);
    const one = await environments.require(first, never);

    const second = all.place("p", `${waitFor("go")}echo 2 > "$1/x"`);
    await environments.want([second]);
    expect(environments.standing(second)).toEqual({ status: "ready", dir: one });
    await until("it is being made", () => environments.list()[0]?.status === "making");
    expect(environments.list()).toMatchObject([{ path: one }]);
    all.gate("go");
    const two = await until("the swap", () => {
      const { path } = environments.list()[0] ?? {};
      return path !== one && path;
    });
    expect(readFileSync(join(two, "x"), "utf8")).toBe("2\n");

    // An execution of the version before gets what that was made for; an edit that is taken back has it at once.
    expect(await environments.require(first, never)).toBe(one);
    await environments.want([all.place("p", 'echo 1 > "$1/x"')]);
    expect(environments.list()).toMatchObject([{ status: "ready", path: one }]);
  });

  test("that can't be made says why with the installer's last lines, keeps the one before, and is tried again after an edit", async () => {
    using all = bench();
    const environments = all.open();
    const broken = all.place("p", 'seq 1 300; echo "no \u001b[31msuch\u001b[0m package" >&2; exit 3');
    await environments.want([broken]);
    const reason = "environment of p: sh failed (exit code 3)\n  297\n  298\n  299\n  300\n  no such package";
    await expect(environments.require(broken, never)).rejects.toThrow(reason);
    expect(environments.standing(broken)).toEqual({ status: "failed", reason });
    expect(environments.list()[0]?.output).toHaveLength(200);
    expect(readdirSync(join(all.dir, "environments/p/sh-1.0"))).toEqual([]);

    const good = all.place("p", 'echo 1 > "$1/x"');
    await environments.want([good]);
    const dir = await environments.require(good, never);
    const brokenAgain = all.place("p", "echo worse; exit 1");
    await environments.want([brokenAgain]);
    await until("it failed", () => environments.list()[0]?.status === "outdated");
    expect(environments.list()).toMatchObject([{ path: dir, reason: "sh failed (exit code 1)\n  worse" }]);
    expect(environments.standing(brokenAgain)).toEqual({ status: "ready", dir });
    // Not for an edit that leaves the manifest as it is.
    const changes = all.changes();
    await environments.want([all.place("p", "echo worse; exit 1")]);
    expect(all.changes()).toBe(changes);
  });

  test("of a daemon that died is never used, and the one before stays in use until it is made anew", async () => {
    using all = bench();
    const first = all.open();
    const old = all.place("p", 'echo 1 > "$1/x"');
    await first.want([old]);
    const dir = await first.require(old, never);
    // Each maker has a gate of its own: in the same place the forgotten one would write over what the second makes.
    const next = all.place("p", `echo $$ >> "$GATES/makers"; echo half > "$1/x"; ${waitFor("go.$$")}echo 2 > "$1/x"`);
    await first.want([next]);
    await until("it has begun", () => readdirSync(join(all.dir, "environments/p/sh-1.0")).length === 2);
    await until("it is half done", () => halfDone(all.dir));

    // The first is simply forgotten, as a kill does.
    const second = all.open();
    await second.want([next]);
    expect(second.standing(next)).toEqual({ status: "ready", dir });
    expect(readdirSync(join(all.dir, "environments/p/sh-1.0"))).toHaveLength(2);
    const maker = await until("the second makes it", () => readFileSync(join(all.dir, "makers"), "utf8").split("\n")[1]);
    all.gate(`go.${maker}`);
    const two = await until("the swap", () => second.list()[0]?.status === "ready" && second.list()[0]?.path);
    expect(two).not.toBe(dir);
    expect(readFileSync(join(two, "x"), "utf8")).toBe("2\n");
    await first.stop();
    await second.stop();
  });

  test("takes no longer than allowed, and its processes end with it", async () => {
    using all = bench({ timeout: 0.2 });
    const environments = all.open();
    const place = all.place("p", "echo $$ > $GATES/pid; echo working; sleep 1000");
    await environments.want([place]);
    await expect(environments.require(place, never)).rejects.toThrow("it took longer than 0.2 s and was ended");
    const pid = readFileSync(join(all.dir, "pid"), "utf8").trim();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("is given up for a newer manifest, for a pack that is gone, and when the daemon stops", async () => {
    using all = bench();
    const environments = all.open();
    const endless = `echo $$ >> $GATES/pids; ${waitFor("never")}`;
    await environments.want([all.place("p", endless), all.place("q", endless)]);
    const pids = await until("both work", () => {
      const found = readFileSync(join(all.dir, "pids"), "utf8").trim().split("\n");
      return found.length === 2 && found;
    });
    const next = all.place("p", 'echo 2 > "$1/x"');
    await environments.want([next]);
    expect(await environments.require(next, never)).toBeString();
    await until("their processes are gone", () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    expect(environments.list()).toHaveLength(1);

    // An edit that is taken back.
    const known = all.place("p", 'echo 2 > "$1/x"');
    const begun = () => readFileSync(join(all.dir, "pids"), "utf8").trim().split("\n");
    await environments.want([all.place("p", `${endless}true`)]);
    await until("it works", () => begun().length === 3);
    await environments.want([known]);
    await until("its process is gone", () => !existsSync(`/proc/${begun()[2]}`));

    await environments.want([all.place("p", endless)]);
    await until("it works", () => readFileSync(join(all.dir, "pids"), "utf8").trim().split("\n").length === 4);
    await environments.stop();
    const last = readFileSync(join(all.dir, "pids"), "utf8").trim().split("\n").at(-1);
    expect(existsSync(`/proc/${last}`)).toBe(false);
  });

  test("is not waited for any longer once the run is to end", async () => {
    using all = bench();
    const environments = all.open();
    const place = all.place("p", waitFor("never"));
    await environments.want([place]);
    const ending = new AbortController();
    const waiting = environments.require(place, ending.signal);
    ending.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    await environments.stop();
  });

  test("whose recipe throws fails with that reason", async () => {
    using all = bench({
      recipe: {
        create() {
          throw new Error("install the installer");
        },
      },
    });
    const environments = all.open();
    const place = all.place("p", "");
    await environments.want([place]);
    await expect(environments.require(place, never)).rejects.toThrow("environment of p: install the installer");
  });
});

function halfDone(dir: string): boolean {
  const group = join(dir, "environments/p/sh-1.0");
  return readdirSync(group).some(
    (name) => existsSync(join(group, name, "x")) && readFileSync(join(group, name, "x"), "utf8") === "half\n",
  );
}

test("two are made at once, and one of a pack", async () => {
  using all = bench();
  const environments = all.open();
  const needs = (name: string) => `touch $GATES/began-${name}; ${waitFor("go")}`;
  const other = { version: "2.0" };
  await environments.want([
    all.place("a", needs("a1")),
    all.place("a", needs("a2"), { interpreter: other }),
    all.place("b", needs("b")),
    all.place("c", needs("c")),
  ]);
  const began = () => readdirSync(all.dir).filter((name) => name.startsWith("began"));
  await until("two have begun", () => began().length === 2);
  const busy = environments.list().filter(({ status }) => status === "making");
  expect(new Set(busy.map(({ pack }) => pack)).size).toBe(2);
  expect(environments.list().filter(({ status }) => status === "waiting")).toHaveLength(2);
  all.gate("go");
  await until("all are ready", () => environments.list().every(({ status }) => status === "ready"));
});

test("a rebuild replaces one that has the same manifest, and what runs keeps its own until it is collected", async () => {
  using all = bench();
  const environments = all.open();
  const place = all.place("p", 'echo 1 > "$1/x"');
  await environments.want([place]);
  const one = (await environments.require(place, never)) ?? "";
  environments.rebuild("p");
  expect(environments.standing(place)).toEqual({ status: "ready", dir: one });
  const two = await until("the new one", () => {
    const [view] = environments.list();
    return view?.status === "ready" && view.path !== one && view.path;
  });
  expect(existsSync(one)).toBe(true);
  expect(() => environments.rebuild("q")).toThrow("pack q has no environment");

  environments.rebuild("p");
  const three = await until("the third", () => {
    const [view] = environments.list();
    return view?.status === "ready" && view.path !== two && view.path;
  });
  all.inUse.add(one);
  await environments.collect([]);
  // In use by a process; kept for going back; in use by the pack.
  expect([one, two, three].map(existsSync)).toEqual([true, true, true]);
});

test("what nothing needs is collected, in spite of its modes, and what an older version of a pack needs is not", async () => {
  using all = bench();
  const first = all.open();
  const versions = ["1", "2", "3", "4"].map((n) => all.place("p", `echo ${n} > "$1/x"; mkdir "$1/d"; chmod 555 "$1/d"`));
  const dirs: string[] = [];
  for (const place of versions) {
    await first.want([place]);
    dirs.push((await until("it is ready", () => first.list()[0]?.status === "ready" && first.list()[0]?.path)) ?? "");
  }
  const gone = all.place("gone", "true");
  await first.want([gone]);
  dirs.push((await made(first, "gone")) ?? "");
  mkdirSync(join(all.dir, "environments/p/sh-1.0/0000.1"));
  chmodSync(join(all.dir, "environments/p/sh-1.0/0000.1"), 0o500);

  const second = all.open();
  await second.want(versions.slice(3));
  await second.collect(versions.slice(0, 1));
  expect(dirs.map(existsSync)).toEqual([true, false, true, true, false]);
  expect(existsSync(join(all.dir, "environments/p/sh-1.0/0000.1"))).toBe(false);
  expect(readdirSync(join(all.dir, "environments")).filter((name) => name.startsWith("."))).toEqual([]);
});

test("one that was removed is made again when something needs it", async () => {
  using all = bench();
  const environments = all.open();
  const place = all.place("p", 'echo run >> "$GATES/runs"');
  await environments.want([place]);
  const one = (await made(environments, "p")) ?? "";
  await environments.remove("p");
  expect(existsSync(one)).toBe(false);
  expect(environments.list()).toMatchObject([{ status: "removed", path: null }]);
  expect(environments.standing(place)).toEqual({ status: "making" });
  expect(await environments.require(place, never)).toBeString();
  expect(readFileSync(join(all.dir, "runs"), "utf8")).toBe("run\nrun\n");
  await expect(environments.remove("q")).rejects.toThrow("pack q has no environment");
});

test("what is no pack has nothing to be removed", async () => {
  using all = bench();
  const environments = all.open();
  const others = ["outside/a/b", "environments/.home/a/b", "environments/p/a/b"].map((name) => join(all.dir, name));
  for (const dir of others) mkdirSync(dir, { recursive: true });
  for (const name of ["../outside", "..", ".", "", ".home", "p/..", "p/../../outside"])
    await expect(environments.remove(name)).rejects.toThrow("has no environment");
  await environments.remove("p");
  expect(others.map(existsSync)).toEqual([true, true, false]);
});

test("the manifest, the interpreter, the recipe's revision and the files that a manifest names decide; nothing else does", async () => {
  using all = bench({ recipe: { create: ({ dir }) => [{ argv: ["/bin/sh", "-c", 'touch "$1/x"', "-", dir] }] } });
  const environments = all.open();
  const base = all.place("p", "-r more.txt\n");
  writeFileSync(join(base.packDir, "more.txt"), "one\n");
  const pathOf = async (place: EnvironmentPlace) => {
    await environments.want([place]);
    return until("it is ready", () => environments.list()[0]?.status === "ready" && environments.list()[0]?.path);
  };
  const first = await pathOf(base);
  writeFileSync(join(base.packDir, "other.txt"), "unrelated");
  expect(await pathOf({ ...base })).toBe(first);
  writeFileSync(join(base.packDir, "more.txt"), "two\n");
  const second = await pathOf({ ...base });
  expect(second).not.toBe(first);
  const third = await pathOf({ ...base, runtime: { ...base.runtime, revision: "2" } });
  expect(third).not.toBe(second);
  rmSync(join(base.packDir, "more.txt"));
  expect(await pathOf({ ...base })).not.toBe(second);
});

test("what an installer prints is kept without passwords, however it comes", () => {
  const tail = createTail(10);
  const write = (text: string) => tail.push(Buffer.from(text));
  write("Looking in https://ada:p@ss");
  write("word@index.example/simple and http://token@other\n");
  write(`${"x".repeat(1_990)} https://ada:hush`);
  write("@index.example\n");
  expect(tail.lines()[0]).toBe("Looking in https://***@index.example/simple and http://***@other");
  expect(tail.lines()[1]).toBe("x".repeat(500));
});
