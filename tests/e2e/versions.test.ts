import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { openDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

/** Says what it is and where it runs, reads a file of the pack, and tries to write one and to remove one. */
const script = (version: string) => `#!/bin/sh
echo "${version} $(cat data/greeting.txt) $(pwd -P)"
echo written > data/by-script.txt || echo "may not write"
rm -f data/greeting.txt || true
`;
const packs = {
  "v/pack.yaml": "ref: v\nversion: 1.0.0\n",
  "v/data/greeting.txt": "hello",
  "v/actions/say.yaml": "ref: v.say\nentry_point: say.sh\n",
  "v/actions/say.sh": script("old"),
  // Keeps the only slot until the file it is given exists.
  "v/actions/block.yaml": "ref: v.block\nentry_point: block.sh\nparameters: { until: { type: string } }\n",
  "v/actions/block.sh": '#!/bin/sh\nwhile [ ! -e "$ATTUNE_ACTION_UNTIL" ]; do sleep 0.02; done\n',
};

interface Execution {
  readonly id: string;
  readonly status: string;
  readonly result: { readonly stdout?: string };
}

let daemon: TestDaemon;
beforeAll(async () => {
  // Not as root, whom no file's mode keeps from writing.
  const as = process.getuid?.() === 0 ? { as: { uid: 65534, gid: 65534 } } : {};
  daemon = await startDaemon({ packs, config: "export default { limits: { concurrency: 1 } };\n", ...as });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

async function request(action: string, parameters: object = {}): Promise<string> {
  const response = await fetch(`${daemon.url}/api/v1/executions/execute`, {
    method: "POST",
    headers: { Authorization: `Bearer ${daemon.token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ action_ref: action, parameters }),
  });
  expect(response.status).toBe(201);
  return ((await response.json()) as { data: Execution }).data.id;
}

/** What it printed: its version, what it read, and where it ran. */
async function printed(id: string): Promise<{ version: string; data: string; dir: string; more: string }> {
  const { result } = await until("the execution is over", async () => {
    const now = await daemon.get<Execution>(`/executions/${id}`);
    return now.status === "completed" && now;
  });
  const [first = "", ...more] = String(result.stdout).split("\n");
  const [version = "", data = "", dir = ""] = first.split(" ");
  return { version, data, dir, more: more.join("\n").trim() };
}

async function run() {
  return await printed(await request("v.say"));
}

/** Takes the only slot; the result frees it. */
async function block(): Promise<() => void> {
  const file = join(daemon.project.scratch, crypto.randomUUID());
  const id = await request("v.block", { until: file });
  await until("the slot is taken", async () => (await daemon.get<Execution>(`/executions/${id}`)).status === "running");
  return () => writeFileSync(file, "");
}

const packSnapshot = async () => {
  const [latest] = await daemon.get<{ snapshot: string }[]>("/packs/v/history?page_size=1");
  return String(latest?.snapshot);
};
const saved = async (files: Readonly<Record<string, string>>) => {
  const before = await packSnapshot();
  daemon.project.writePacks(files);
  await until("the saved files are served", async () => (await packSnapshot()) !== before);
};

test("an execution that waits runs the version it was made with, and the next one the new version", async () => {
  const old = await packSnapshot();
  const free = await block();
  const waiting = await request("v.say");
  await saved({ "v/actions/say.sh": script("new"), "v/data/greeting.txt": "goodbye" });
  const next = await request("v.say");
  free();
  const [first, second] = [await printed(waiting), await printed(next)];
  expect(first).toMatchObject({ version: "old", data: "hello" });
  expect(second).toMatchObject({ version: "new", data: "goodbye" });
  expect(basename(first.dir)).toBe(old);
  expect(basename(second.dir)).toBe(await packSnapshot());
  expect(dirname(first.dir)).toBe(join(daemon.project.dataDir, "snapshots"));
  await using database = await openDatabase(daemon.project);
  const rows = await database.query("SELECT id, snapshot FROM execution WHERE id = ANY($1::uuid[])", [[waiting, next]]);
  expect(new Map(rows.map((row) => [row["id"], row["snapshot"]]))).toEqual(
    new Map([
      [waiting, old],
      [next, await packSnapshot()],
    ]),
  );
});

test("what a script does to the files around it reaches neither the pack nor the next run", async () => {
  const first = await run();
  const second = await run();
  expect(second).toEqual(first);
  expect(second).toMatchObject({ data: "goodbye", more: "may not write" });
  expect(readdirSync(join(daemon.dir, "packs/v/data"))).toEqual(["greeting.txt"]);
  expect(readFileSync(join(daemon.dir, "packs/v/data/greeting.txt"), "utf8")).toBe("goodbye");
});

test("an execution that waits across a restart, with its action edited meanwhile, runs its own version", async () => {
  const free = await block();
  const waiting = await request("v.say");
  await daemon.kill9();
  daemon.project.writePacks({ "v/actions/say.sh": script("newer") });
  free();
  await daemon.restart();
  expect(await printed(waiting)).toMatchObject({ version: "new" });
  expect(await run()).toMatchObject({ version: "newer" });
});

test("an action whose script is gone runs its last good version while the mistake is shown", async () => {
  const file = join(daemon.dir, "packs/v/actions/say.sh");
  renameSync(file, join(daemon.project.scratch, "say.sh"));
  const errors = async () => (await daemon.get<{ errors: { file: string; message: string }[] }>("/packs/v")).errors;
  await until("the mistake is shown", async () => (await errors()).length > 0);
  expect(await errors()).toMatchObject([{ file: "actions/say.yaml", message: expect.stringContaining("say.sh") }]);
  expect(await run()).toMatchObject({ version: "newer" });
  // What else changes in the pack is live all the same.
  await saved({
    "v/actions/other.yaml": "ref: v.other\nentry_point: other.sh\n",
    "v/actions/other.sh": "#!/bin/sh\necho other\n",
  });
  expect((await printed(await request("v.other"))).version).toBe("other");
  expect(await run()).toMatchObject({ version: "newer" });
  await daemon.stop();
  await daemon.restart();
  expect(await errors()).toMatchObject([{ file: "actions/say.yaml" }]);
  expect(await run()).toMatchObject({ version: "newer" });

  renameSync(join(daemon.project.scratch, "say.sh"), file);
  await until("the mistake is gone", async () => (await errors()).length === 0);
  rmSync(join(daemon.dir, "packs/v/actions/say.yaml"));
  await until(
    "the action is gone",
    async () => !(await daemon.get<{ ref: string }[]>("/actions")).some(({ ref }) => ref === "v.say"),
  );
});
