import { heapStats } from "bun:jsc";
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { createSnapshotCollector } from "../../src/core/engine/reloads.ts";
import { SPARE } from "../../src/core/packs/snapshots/snapshots.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { createPacks, smallPack, withPostgres } from "../support/engine.ts";
import { saveByRename } from "../support/packs.ts";
import { anonymousBytes, parentOf, runningProcesses } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

const { database } = withPostgres();

const packs = {
  "p/pack.yaml": "ref: p\nversion: 1.0.0\n",
  "p/triggers/t.yaml": "ref: p.t\n",
  "p/sensors/s.yaml": "ref: p.s\nentry_point: s.sh\ntrigger_types: [t]\n",
  "p/sensors/s.sh": "#!/bin/sh\nexec sleep 1000\n",
  "p/actions/a.yaml": "ref: p.a\nlabel: first\nentry_point: a.sh\n",
  "p/actions/a.sh": "#!/bin/sh\necho hi\n",
  "p/rules/r.yaml": "ref: p.r\ntrigger_ref: t\naction_ref: a\n",
};

/** What a process holds that could pile up. */
function holdings(pid: number) {
  const children = runningProcesses().filter((one) => parentOf(one.pid) === pid);
  const descriptors = readdirSync(`/proc/${pid}/fd`);
  // The inotify descriptor is found by what it is, since its number may be any.
  const watches = descriptors.flatMap((fd) => {
    try {
      if (!readlinkSync(`/proc/${pid}/fd/${fd}`).includes("inotify")) return [];
      return readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").match(/^inotify wd:/gm) ?? [];
    } catch {
      return []; // Closed since it was listed.
    }
  });
  return {
    descriptors: descriptors.length,
    children: children.length,
    watches: watches.length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}

const save = (daemon: TestDaemon, file: string, text: string) => saveByRename(join(daemon.dir, "packs/p", file), text);

test("50 reloads that replace a sensor leave no descriptor, process, watch or thread behind", async () => {
  await using daemon = await startDaemon({ packs });
  const pidNow = async () => (await daemon.get<{ pid: number | null }>("/sensors/p.s")).pid;
  async function replace(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      const before = await pidNow();
      save(daemon, "sensors/s.sh", `#!/bin/sh\n# ${crypto.randomUUID()}\nexec sleep 1000\n`);
      await until("the sensor is another process", async () => ![null, before].includes(await pidNow()));
    }
  }
  await until("the sensor runs", pidNow);
  await replace(5);
  const before = holdings(daemon.pid);
  await replace(50);
  let after = holdings(daemon.pid);
  // A connection to the database or of this test's requests may just be open.
  await until("nothing more is held than before", () => {
    after = holdings(daemon.pid);
    return Object.entries(before).every(([what, count]) => after[what as keyof typeof after] <= count);
  }).catch(() => {});
  expect(after.children).toBe(before.children);
  expect(after.watches).toBe(before.watches);
  expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
  expect(after.threads).toBeLessThanOrEqual(before.threads);
});

test("1,000 reloads leave nothing on the heap", async () => {
  await using db = await database();
  using live = await createPacks(db.storage);
  live.write(smallPack("echo hi", { r: "" }));
  await live.reconciler.reload();
  const counts = new Map<number, number>();
  for (let i = 1; i <= 1_000; i++) {
    const broken = i % 10 === 0 ? "entry_point: [\n" : "";
    live.write({ "p/actions/a.yaml": `ref: p.a\nlabel: "${i}"\nrunner_type: shell\nentry_point: a.sh\n${broken}` });
    const now = performance.now();
    await live.reconciler.reloadDirectories(new Map([[join(live.dir, "p"), { first: now, last: now }]]));
    if (i === 300 || i === 1_000) {
      Bun.gc(true);
      counts.set(i, heapStats().objectCount);
    }
  }
  // One object kept by each would be 700; without any they differ by some 60.
  expect((counts.get(1_000) ?? 0) - (counts.get(300) ?? 0)).toBeLessThan(500);
});

test("the daemon's memory is flat over 500 reloads", async () => {
  await using daemon = await startDaemon({ packs });
  const label = async () => (await daemon.get<{ label: string }>("/actions/p.a")).label;
  const rss: number[] = [];
  for (let i = 1; i <= 500; i++) {
    save(daemon, "actions/a.yaml", `ref: p.a\nlabel: "${i}"\nentry_point: a.sh\n`);
    while ((await label()) !== String(i)) await Bun.sleep(1);
    if (i % 50 === 0) rss.push(anonymousBytes(daemon.pid) / 1024 / 1024);
  }
  // The collector makes it swing by some 20 MB, so the least of each part is compared: over 2,600 reloads these stayed within
  // 10 MB of each other, while a daemon that kept each reading of a pack grew by that much every 500.
  expect(Math.min(...rss.slice(6)) - Math.min(...rss.slice(2, 6))).toBeLessThan(20);
});

test("old versions of packs are removed but for the last few", async () => {
  await using db = await database();
  using live = await createPacks(db.storage);
  const { reconciler, snapshots, dir } = live;
  for (let i = 0; i < 2 * SPARE; i++) {
    live.write(smallPack(`echo ${i}`));
    await reconciler.reload();
  }
  const stored = (folder: string) => readdirSync(join(dir, "../data", folder)).length;
  const { registry } = reconciler;
  const collect = createSnapshotCollector(snapshots, db.storage);
  await collect(registry, new Set());
  // Those in use are of the two packs that are served.
  expect(stored("snapshots")).toBe(SPARE + 2);
  const objects = stored("objects");
  for (let i = 0; i < 2 * SPARE; i++) {
    live.write(smallPack(`echo again ${i}`));
    await reconciler.reload();
  }
  await collect(reconciler.registry, new Set());
  expect(stored("snapshots")).toBe(SPARE + 2);
  expect(stored("objects")).toBe(objects);
});
