import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { effectsFile, loadPack, noFaults, settleAndCount } from "../support/load.ts";
import { createStorm, labelsOnDisk } from "../support/storm.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(180_000);

const editsPerSecond = 100;
const seconds = 8;

interface Mistake {
  readonly pack: string;
  readonly file: string;
  readonly line: number | null;
  readonly message: string;
}
interface Pack {
  readonly ref: string;
  readonly version: string | null;
  readonly label: string;
  readonly errors: readonly Omit<Mistake, "pack">[];
}
interface Component {
  readonly ref: string;
  readonly label: string;
}

test("a hundred edits a second, half of them invalid, lose no event and end in the state of the disk", async () => {
  await using daemon = await startDaemon();
  const effects = effectsFile(daemon.project);
  const packs = join(daemon.dir, "packs");
  daemon.project.writePacks(loadPack({ perSecond: 100, effects }));
  const counter = () => daemon.get<{ pid: number; restarts: number }>("/sensors/load.counter");
  await until("events are made into effects", () => existsSync(effects));
  const { pid } = await counter();

  const seed = Math.floor(Math.random() * 2 ** 31);
  const storm = createStorm(packs, seed);
  const began = performance.now();
  const saving: Promise<void>[] = [];
  for (let n = 0; n < editsPerSecond * seconds; n++) {
    saving.push(storm.edit());
    await Bun.sleep(Math.max(0, began + ((n + 1) * 1_000) / editsPerSecond - performance.now()));
  }
  await Promise.all(saving);
  console.log(`seed ${seed}, ${((performance.now() - began) / 1_000).toFixed(1)} s`, storm.made);

  /** The command line reads all pages of a list. */
  async function all<T>(kind: string): Promise<T[]> {
    return (await daemon.cli(kind, "list", "-o", "json")).json<T[]>();
  }

  /** What is served of the packs of the storm. */
  async function served() {
    const kinds = ["action", "trigger", "rule", "sensor"] as const;
    const lists = await Promise.all(kinds.map((kind) => all<Component>(kind)));
    const labels = kinds.flatMap((kind, i) =>
      (lists[i] ?? []).map(({ ref, label }) => [String(`${kind}s ${ref}`), label] as const),
    );
    return new Map(labels.filter(([name]) => / s\d+\./.test(name)));
  }
  const errors = async () => (await all<Pack>("pack")).flatMap((one) => one.errors.map((error) => ({ ...error, pack: one.ref })));
  /** As a process of its own finds them, which has seen nothing of the storm. */
  const found = (await daemon.cli("pack", "validate", "packs", "-o", "json")).json<(Mistake & { severity: string })[]>();
  const unreadable = new Set(found.filter(({ file }) => file === "pack.yaml").map(({ pack }) => pack.replace("_moved", "")));
  // What was good before still serves, and which of two files has a ref depends on who had it first.
  const isByItself = ({ pack, message }: Mistake) =>
    !unreadable.has(pack.replace("_moved", "")) && !/there is no (trigger|action)|already used/.test(message);
  const listed = (all: readonly Mistake[]) =>
    all
      .filter(isByItself)
      .map(({ pack, file, line, message }) => `${pack} ${file}:${line} ${message}`)
      .sort();
  const wanted = listed(found.filter(({ severity }) => severity === "error"));
  expect(wanted.length).toBeGreaterThan(0);
  await until("what is wrong on disk is shown", async () => Bun.deepEquals(listed(await errors()), wanted)).catch(() => {});
  expect(listed(await errors())).toEqual(wanted);
  const components = await served();
  for (const [name, { label, pack }] of labelsOnDisk(packs)) {
    if (!unreadable.has(pack)) expect([name, components.get(name)]).toEqual([name, label]);
  }

  storm.mend();
  const mended = new Map([...labelsOnDisk(packs)].map(([name, { label }]) => [name, label]));
  const sorted = (labels: ReadonlyMap<string, string>) => [...labels].sort();
  await until("what was mended is served", async () => Bun.deepEquals(sorted(await served()), sorted(mended))).catch(() => {});
  expect(sorted(await served())).toEqual(sorted(mended));
  expect(await errors()).toEqual([]);

  expect(await counter()).toMatchObject({ pid, restarts: 0 });
  const { faults, events, completed } = await settleAndCount(daemon, effects);
  expect(faults).toEqual(noFaults);
  expect(completed).toBe(events);
  expect(events).toBeGreaterThan(seconds * 50);

  const records = async () => ({ components: sorted(await served()), packs: await daemon.get<Pack[]>("/packs?page_size=100") });
  const before = await records();
  expect(await daemon.stop()).toBe(0);
  expect(daemon.project.processes()).toEqual([]);
  await daemon.restart();
  expect(await records()).toEqual(before);
});
