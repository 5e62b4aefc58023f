import { afterAll, expect, test } from "bun:test";
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { changedComponents, diffPack, mergeScan } from "../../src/core/packs/reload/diff.ts";
import { type ScannedPack, scanPack } from "../../src/core/packs/scan.ts";
import type { LoadedPack } from "../../src/core/registry.ts";
import { builtinNames, MANIFEST } from "../support/pack-scans.ts";
import { tempDir, writePack } from "../support/packs.ts";

const temp = tempDir("diff");
afterAll(() => temp[Symbol.dispose]());
let count = 0;

const files = {
  "pack.yaml": MANIFEST,
  "actions/a.yaml": "ref: p.a\nentry_point: a.sh\n",
  "actions/a.sh": "",
  "actions/b.yaml": "ref: p.b\nentry_point: a.sh\n",
  "triggers/t.yaml": "ref: p.t\n",
  "rules/r.yaml": "ref: r\ntrigger_ref: t\naction_ref: a\n",
};

/** A live pack, and a way to edit its files and get what would be served next. */
async function livePack() {
  const dir = writePack(`${temp.path}/${count++}/p`, files);
  let previous: ScannedPack | undefined;
  const rescan = async () => {
    previous = await scanPack(dir, { runtimeNames: builtinNames, ...(previous ? { previous } : {}) });
    return previous;
  };
  const live = mergeScan(undefined, await rescan()) as LoadedPack;
  const edit = async (changes: Record<string, string>): Promise<LoadedPack> => {
    writePack(dir, changes);
    return mergeScan(live, await rescan()) as LoadedPack;
  };
  return { dir, live, edit };
}

test("a new pack is all added, an untouched one has no changes", async () => {
  const { live, edit } = await livePack();
  expect(diffPack(undefined, live)).toEqual({ pack: "p", added: ["p", "p.t", "p.a", "p.b", "p.r"], changed: [], removed: [] });
  expect(diffPack(live, await edit({}))).toEqual({ pack: "p", added: [], changed: [], removed: [] });
});

test("only what changed is named", async () => {
  const { dir, live, edit } = await livePack();
  rmSync(`${dir}/rules/r.yaml`);
  const next = await edit({
    "pack.yaml": `${MANIFEST}label: New\n`,
    "actions/a.yaml": `${files["actions/a.yaml"]}timeout: 1\n`,
    "triggers/u.yaml": "ref: p.u\n",
  });
  expect(diffPack(live, next)).toEqual({ pack: "p", added: ["p.u"], changed: ["p", "p.a"], removed: ["p.r"] });
  expect(changedComponents(live, next)).toContainEqual({ kind: "action", ref: "p.a", change: "changed" });
});

test.each([
  ["YAML syntax", { "actions/a.yaml": "ref: p.a\nentry_point: [\n" }],
  ["a wrong type", { "actions/a.yaml": "ref: p.a\nentry_point: a.sh\ntimeout: soon\n" }],
  ["a missing script", { "actions/a.yaml": "ref: p.a\nentry_point: gone.sh\n" }],
  ["a ref that was lost", { "actions/a.yaml": "entry_point: a.sh\n" }],
])("%s keeps the last good version, and the others of the pack go live", async (_, broken) => {
  const { live, edit } = await livePack();
  const next = await edit({ ...broken, "actions/b.yaml": `${files["actions/b.yaml"]}timeout: 2\n` });
  expect(next.actions.get("p.a")).toBe(live.actions.get("p.a") as never);
  expect(next.actions.get("p.b")?.timeout).toBe(2);
  expect(next.problems).toHaveLength(1);
  expect(diffPack(live, next)).toMatchObject({ added: [], changed: ["p.b"], removed: [] });
});

test("a file renamed and broken in one step keeps its component", async () => {
  const { dir, live, edit } = await livePack();
  renameSync(`${dir}/actions/a.yaml`, `${dir}/actions/z.yaml`);
  const next = await edit({ "actions/z.yaml": "ref: p.a\nentry_point: gone.sh\n" });
  expect(next.actions.get("p.a")).toBe(live.actions.get("p.a") as never);
});

test("a good file that takes over the ref of a broken one wins", async () => {
  const { edit } = await livePack();
  const next = await edit({ "actions/a.yaml": "ref: [\n", "actions/c.yaml": "ref: p.a\nentry_point: a.sh\nlabel: C\n" });
  expect(next.actions.get("p.a")?.label).toBe("C");
});

test("a folder that can't be read takes nothing away", async () => {
  const { dir, live, edit } = await livePack();
  rmSync(`${dir}/actions`, { recursive: true });
  expect([...(await edit({ actions: "a file in its place" })).actions.keys()]).toEqual([...live.actions.keys()]);
  rmSync(`${dir}/actions`);
  symlinkSync("/etc", `${dir}/actions`);
  expect([...(await edit({})).actions.keys()]).toEqual([...live.actions.keys()]);
  rmSync(`${dir}/actions`);
  expect([...(await edit({})).actions.keys()]).toEqual([]);
});

test("a broken pack.yaml keeps the manifest; without one there is nothing to serve", async () => {
  const { live, edit } = await livePack();
  const next = await edit({ "pack.yaml": "ref: p\nversion: [\n", "triggers/u.yaml": "ref: p.u\n" });
  expect(next.manifest).toBe(live.manifest);
  expect(diffPack(live, next)).toMatchObject({ added: ["p.u"], changed: [], removed: [] });

  const scanned = await scanPack(writePack(`${temp.path}/never/p`, { "pack.yaml": "ref: [\n" }), { runtimeNames: builtinNames });
  expect(mergeScan(undefined, scanned)).toBeUndefined();
});
