import { afterAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AttuneError } from "../../src/core/errors.ts";
import { fileStates } from "../../src/core/packs/files.ts";
import { scanPack } from "../../src/core/packs/scan.ts";
import { differences } from "../../src/core/packs/snapshots/entries.ts";
import { openSnapshots, SPARE } from "../../src/core/packs/snapshots/snapshots.ts";
import { builtinNames, MANIFEST } from "../support/pack-scans.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { removeAll } from "../support/remove.ts";
import { until } from "../support/until.ts";

const temp = tempDir("snapshots");
afterAll(() => temp[Symbol.dispose]());
let count = 0;
/** An own pack and data directory. */
function fresh(files: Readonly<Record<string, string>> = {}) {
  const base = `${temp.path}/${count++}`;
  const pack = writePack(`${base}/p`, { "pack.yaml": MANIFEST, ...files });
  return { base, pack, data: `${base}/data`, snapshots: openSnapshots(`${base}/data`) };
}
/** Longer than a file's time stamp needs to prove that the file is unchanged. */
const settle = () => Bun.sleep(60);

/** Everything below `dir`: mode and content, or where a link leads. */
function tree(dir: string, below = ""): Record<string, string> {
  const entries = readdirSync(join(dir, below))
    .sort()
    .map((name): Record<string, string> => {
      const path = join(below, name);
      const stats = lstatSync(join(dir, path));
      if (stats.isSymbolicLink()) return { [path]: `-> ${readlinkSync(join(dir, path))}` };
      const mode = (stats.mode & 0o777).toString(8);
      return stats.isDirectory()
        ? { [path]: mode, ...tree(dir, path) }
        : { [path]: `${mode} ${readFileSync(join(dir, path), "utf8")}` };
    });
  return Object.assign({}, ...entries);
}

const SOURCE = join(import.meta.dir, "../../src/core/packs/snapshots/snapshots.ts");
const asNobody = (argv: readonly string[], cwd: string) => {
  return execFileSync(process.execPath, argv, {
    uid: 65534,
    gid: 65534,
    cwd,
    env: { HOME: cwd },
    stdio: ["ignore", "pipe", "ignore"],
  });
};

/** Only root can become another user, and that user must be able to read the sources. */
function canActAsNobody(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    asNobody(["-e", `await import(${JSON.stringify(SOURCE)})`], "/");
    return true;
  } catch {
    return false;
  }
}

async function refusal(task: Promise<unknown>): Promise<Partial<AttuneError>> {
  const error = await task.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof AttuneError)) throw new Error(`no AttuneError but ${String(error)}`);
  return { code: error.code, message: error.message, retryable: error.retryable };
}

const inode = (path: string) => statSync(path).ino;

describe("a snapshot", () => {
  test("is the pack, read-only, without what tools and editors leave behind", async () => {
    const { pack, snapshots } = fresh({
      "actions/a.sh": "#!/bin/sh\n",
      "actions/a.yaml": "ref: p.a\nentry_point: a.sh\n",
      ".hidden/data": "1",
      ".git/config": "",
      "lib/.venv/x": "",
      "lib/__pycache__/x.pyc": "",
      "actions/a.sh~": "",
      "actions/.a.sh.swp": "",
      "actions/4913": "",
      "actions/#a.sh#": "",
      "actions/a.sh___jb_tmp___": "",
      "actions/node_modules/x/index.js": "",
    });
    mkdirSync(`${pack}/empty`);
    symlinkSync("a.sh~", `${pack}/actions/.#a.sh`);
    const { dir, hash } = await snapshots.take(pack);
    expect(tree(dir)).toEqual({
      ".hidden": "555",
      ".hidden/data": "444 1",
      actions: "555",
      "actions/a.sh": "555 #!/bin/sh\n",
      "actions/a.yaml": "444 ref: p.a\nentry_point: a.sh\n",
      "actions/node_modules": `-> ${pack}/actions/node_modules`,
      empty: "555",
      lib: "555",
      "pack.yaml": `444 ${MANIFEST}`,
    });
    expect([statSync(dir).mode & 0o777, snapshots.find(hash)]).toEqual([0o555, dir]);
    const scanned = await scanPack(dir, { runtimeNames: builtinNames });
    expect([...scanned.actions.keys()]).toEqual(["p.a"]);
  });

  test("keeps links that stay inside, and leaves out what else is no plain file", async () => {
    const { base, pack, snapshots } = fresh({ "lib/x/y.sh": "1", "actions/.keep": "" });
    writeFileSync(`${base}/secret`, "");
    symlinkSync("../lib/x/y.sh", `${pack}/actions/relative`);
    symlinkSync(`${pack}/lib/x`, `${pack}/actions/absolute`);
    symlinkSync("absolute", `${pack}/actions/twice`);
    symlinkSync("..", `${pack}/lib/up`);
    symlinkSync("../../secret", `${pack}/actions/out`);
    symlinkSync("/etc/passwd", `${pack}/actions/passwd`);
    symlinkSync("nothing", `${pack}/actions/nothing`);
    execFileSync("mkfifo", [`${pack}/actions/fifo`]);
    const { dir } = await snapshots.take(pack);
    expect(tree(dir)).toEqual({
      actions: "555",
      "actions/.keep": "444 ",
      "actions/absolute": "-> ../lib/x",
      "actions/relative": "-> ../lib/x/y.sh",
      "actions/twice": "-> ../lib/x",
      lib: "555",
      "lib/up": "-> ..",
      "lib/x": "555",
      "lib/x/y.sh": "444 1",
      "pack.yaml": `444 ${MANIFEST}`,
    });
    expect(readFileSync(`${dir}/actions/twice/y.sh`, "utf8")).toBe("1");
  });

  test("has a hash of names, executable bits, contents and links, and of nothing else", async () => {
    const { base, pack, snapshots } = fresh({ "actions/a.sh": "#!/bin/sh\n", "lib/x": "1" });
    const { hash } = await snapshots.take(pack);
    const copy = `${base}/elsewhere`;
    cpSync(pack, copy, { recursive: true });
    utimesSync(`${copy}/lib/x`, 1, 1);
    symlinkSync("elsewhere", `${base}/link`);
    expect((await openSnapshots(`${base}/other`).take(`${base}/link`)).hash).toBe(hash);

    const edits: Record<string, () => void> = {
      content: () => writeFileSync(`${copy}/lib/x`, "2"),
      bit: () => chmodSync(`${copy}/actions/a.sh`, 0o644),
      name: () => renameSync(`${copy}/lib/x`, `${copy}/lib/y`),
      directory: () => mkdirSync(`${copy}/lib/d`),
      link: () => symlinkSync("y", `${copy}/lib/z`),
    };
    const seen = new Set([hash]);
    for (const edit of Object.values(edits)) {
      edit();
      seen.add((await snapshots.take(copy)).hash);
    }
    expect(seen.size).toBe(1 + Object.keys(edits).length);
  });

  test("stays as it was while the pack changes, however its files are written", async () => {
    const { base, pack, snapshots } = fresh({ "a.sh": "old", "lib/x": "same" });
    const first = await snapshots.take(pack);
    const before = tree(first.dir);
    appendFileSync(`${pack}/a.sh`, "er");
    const second = await snapshots.take(pack, first);
    writeFileSync(`${base}/new`, "new");
    renameSync(`${base}/new`, `${pack}/a.sh`);
    rmSync(`${pack}/lib`, { recursive: true });
    const third = await snapshots.take(pack, second);
    expect(tree(first.dir)).toEqual(before);
    expect([tree(second.dir)["a.sh"], tree(third.dir)["a.sh"]]).toEqual(["444 older", "444 new"]);
    expect(existsSync(`${third.dir}/lib`)).toBe(false);
  });
});

describe("equal content", () => {
  test("is there once, over snapshots and packs, apart from the executable bit", async () => {
    const { base, pack, snapshots } = fresh({ "a.sh": "#!/bin/sh\n", "lib/x": "1" });
    const other = writePack(`${base}/q`, { "pack.yaml": "ref: q\nversion: 1.0.0\n", "b.sh": "#!/bin/sh\n" });
    writeFileSync(`${other}/c.sh`, "#!/bin/sh\n");
    const first = await snapshots.take(pack);
    writeFileSync(`${pack}/lib/x`, "2");
    const second = await snapshots.take(pack, first);
    const third = await snapshots.take(other);
    expect(new Set([first, second].map(({ dir }) => inode(`${dir}/a.sh`)).concat(inode(`${third.dir}/b.sh`))).size).toBe(1);
    expect(inode(`${third.dir}/c.sh`)).not.toBe(inode(`${third.dir}/b.sh`));
    expect(inode(`${first.dir}/a.sh`)).not.toBe(inode(`${pack}/a.sh`));
  });

  test("makes an equal snapshot, which is then used again", async () => {
    const { base, pack, snapshots } = fresh({ "a.sh": "1" });
    const first = await snapshots.take(pack);
    const at = inode(first.dir);
    writeFileSync(`${pack}/a.sh`, "2");
    const second = await snapshots.take(pack, first);
    writeFileSync(`${pack}/a.sh`, "1");
    const third = await snapshots.take(pack, second);
    expect([third.hash, third.dir, inode(third.dir)]).toEqual([first.hash, first.dir, at]);
    expect(inode((await openSnapshots(`${base}/data`).take(pack)).dir)).toBe(at);
    expect(readdirSync(`${base}/data/snapshots`).length).toBe(2);
  });

  test("a file of many megabytes is copied and compared with what a scan says", async () => {
    const { pack, snapshots } = fresh({ big: `${"x".repeat(3_000_000)}1` });
    const first = await snapshots.take(pack);
    expect(readFileSync(`${first.dir}/big`, "utf8")).toBe(readFileSync(`${pack}/big`, "utf8"));
    const files = fileStates(pack, new Map());
    await files.hashOf("big");
    expect(differences(first.entries, files.states)).toEqual([]);
    writeFileSync(`${pack}/big`, `${"x".repeat(3_000_000)}2`);
    expect((await snapshots.take(pack, first)).hash).not.toBe(first.hash);
  });
});

describe("taking again", () => {
  test("reads only files whose stamp changed", async () => {
    const { pack, snapshots } = fresh({ a: "1", b: "1" });
    await settle();
    const first = await snapshots.take(pack);
    // Under another content the stamp shows whether the file is read.
    const [a, other] = ["a", "pack.yaml"].map((path) => first.entries.get(path));
    if (a?.kind !== "file" || other?.kind !== "file") throw new Error("these are files");
    const entries = new Map([...first.entries, ["a", { ...other, stamp: a.stamp }] as const]);
    const second = await snapshots.take(pack, { ...first, entries });
    expect(readFileSync(`${second.dir}/a`, "utf8")).toBe(MANIFEST);
    writeFileSync(`${pack}/a`, "2");
    expect(readFileSync(`${(await snapshots.take(pack, second)).dir}/a`, "utf8")).toBe("2");
  });

  test("a content that is no longer kept is copied again, though the file did not change", async () => {
    const { pack, snapshots, data } = fresh({ a: "1" });
    await settle();
    const first = await snapshots.take(pack);
    removeAll(`${data}/snapshots/${first.hash}`);
    await snapshots.collect(new Set());
    expect(readdirSync(`${data}/objects`)).toEqual([]);
    const second = await snapshots.take(pack, first);
    expect(tree(second.dir)).toEqual({ a: "444 1", "pack.yaml": `444 ${MANIFEST}` });
  });

  test("puts right what a process did to it as root, or a power cut", async () => {
    const { pack, snapshots } = fresh({ a: "#!/bin/sh\n", "lib/b": "22", "lib/c": "3" });
    await settle();
    const first = await snapshots.take(pack);
    const before = tree(first.dir);
    chmodSync(`${first.dir}/a`, 0o755);
    writeFileSync(`${first.dir}/a`, "#!/bin/no\n");
    chmodSync(`${first.dir}/lib`, 0o755);
    chmodSync(`${first.dir}/lib/b`, 0o644);
    truncateSync(`${first.dir}/lib/b`, 0);
    rmSync(`${first.dir}/lib/c`);
    mkdirSync(`${first.dir}/lib/c`);
    const second = await snapshots.take(pack, first);
    expect([second.dir, tree(second.dir)]).toEqual([first.dir, before]);
  });
});

describe("a pack that can't be taken", () => {
  test("is not there", async () => {
    const { base, snapshots } = fresh();
    expect(await refusal(snapshots.take(`${base}/none`))).toMatchObject({ code: "NOT_FOUND" });
  });

  test("is too large, in files or in bytes", async () => {
    const { pack, snapshots, data } = fresh();
    writeFileSync(`${pack}/sparse`, "");
    truncateSync(`${pack}/sparse`, 513 * 1024 * 1024);
    expect(await refusal(snapshots.take(pack))).toMatchObject({
      code: "PACK_INVALID",
      message: "the pack holds more than 512 MiB",
    });
    rmSync(`${pack}/sparse`);
    for (let at = 0; at < 10_000; at++) linkSync(`${pack}/pack.yaml`, `${pack}/f${at}`);
    expect(await refusal(snapshots.take(pack))).toMatchObject({
      code: "PACK_INVALID",
      message: "the pack holds more than 10000 files",
    });
    expect(readdirSync(`${data}/snapshots`)).toEqual([]);
  });

  test("has a file that never keeps still; one that does later is taken whole", async () => {
    const { pack, snapshots, data } = fresh({ big: "x".repeat(48_000_000) });
    const writer = Bun.spawn(["sh", "-c", `while :; do echo x; done >> ${pack}/big`]);
    try {
      const size = statSync(`${pack}/big`).size;
      await until("the file grows", () => statSync(`${pack}/big`).size > size);
      expect(await refusal(snapshots.take(pack))).toEqual({
        code: "PACK_INVALID",
        retryable: true,
        message: "big keeps changing while it is copied",
      });
    } finally {
      writer.kill();
      await writer.exited;
    }
    expect(readdirSync(`${data}/objects`).filter((name) => name.startsWith("new-"))).toEqual([]);
    const { dir } = await snapshots.take(pack);
    expect(readFileSync(`${dir}/big`, "utf8")).toBe(readFileSync(`${pack}/big`, "utf8"));
  });
});

describe("collecting", () => {
  test("keeps what is used and the newest others, and removes what was interrupted", async () => {
    const { pack, snapshots, data } = fresh();
    const taken = [];
    for (let at = 0; at < SPARE + 5; at++) {
      writeFileSync(`${pack}/a`, `${at}`);
      const snapshot = await snapshots.take(pack);
      utimesSync(snapshot.dir, at + 1, at + 1);
      taken.push(snapshot);
    }
    writeFileSync(`${pack}/a`, "2");
    // One that is taken again is as good as new.
    expect((await snapshots.take(pack)).hash).toBe(taken[2]?.hash ?? "");
    writePack(data, { "snapshots/new-1/x": "", "objects/new-2": "", "snapshots/stray": "" });
    chmodSync(`${data}/snapshots/new-1`, 0o555);
    await snapshots.collect(new Set(taken.slice(0, 2).map(({ hash }) => hash)));
    const kept = taken.filter(({ hash }) => snapshots.find(hash) !== null);
    expect(kept).toEqual([...taken.slice(0, 3), ...taken.slice(-SPARE + 1)]);
    expect(readdirSync(`${data}/snapshots`).length).toBe(kept.length);
    // One for each `a`, and pack.yaml.
    expect(readdirSync(`${data}/objects`).length).toBe(kept.length + 1);
    for (const { dir } of kept) expect(Object.keys(tree(dir))).toEqual(["a", "pack.yaml"]);
  });

  test("a name from elsewhere leads nowhere", () => {
    const { snapshots } = fresh();
    expect(["../objects", "", "0".repeat(64)].map(snapshots.find)).toEqual([null, null, null]);
  });

  test("takes of several packs and collections at once do not disturb one another", async () => {
    const { base, snapshots } = fresh();
    // Many enough that each take gives the event loop several turns.
    const files = 600;
    const contentOf = (pack: number, round: number, file: number) => `${pack % 3} ${round} ${file}`;
    for (let round = 0; round < 3; round++) {
      const packs = Array.from({ length: 4 }, (_, at) => {
        const written = Array.from({ length: files }, (_, n) => [`lib/f${n}`, contentOf(at, round, n)]);
        return writePack(`${base}/p${at}`, { "pack.yaml": MANIFEST, ...Object.fromEntries(written) });
      });
      const running: Promise<void>[] = [];
      const takes = packs.map((pack) => {
        running.push(snapshots.collect(new Set()));
        const take = snapshots.take(pack);
        running.push(snapshots.collect(new Set()));
        return take;
      });
      const taken = await Promise.all(takes);
      await Promise.all(running);
      expect(new Set(taken.map(({ hash }) => hash)).size).toBe(3);
      for (const [at, { dir }] of taken.entries()) {
        for (let n = 0; n < files; n++) expect(readFileSync(`${dir}/lib/f${n}`, "utf8")).toBe(contentOf(at, round, n));
      }
    }
  });

  test.skipIf(!canActAsNobody())("works for a user whom the modes bind", async () => {
    const { base, pack } = fresh({ "lib/deep/x": "1", "actions/a.sh": "#!/bin/sh\n" });
    const script = `
      import { openSnapshots, SPARE } from "${SOURCE}";
      import { writeFileSync } from "node:fs";
      const snapshots = openSnapshots("${base}/own/data");
      let last;
      for (let at = 0; at < SPARE + 2; at++) {
        writeFileSync("${base}/own/p/lib/deep/x", String(at));
        last = await snapshots.take("${base}/own/p", last);
      }
      await snapshots.collect(new Set());
      let refused = "";
      try { writeFileSync(last.dir + "/lib/deep/y", ""); } catch (error) { refused = error.code; }
      console.log(JSON.stringify([snapshots.find(last.hash) === last.dir, refused]));
    `;
    cpSync(pack, `${base}/own/p`, { recursive: true });
    writeFileSync(`${base}/own/try.ts`, script);
    for (const path of [`${base}/own`, ...readdirSync(`${base}/own`, { recursive: true }).map((name) => `${base}/own/${name}`)]) {
      chownSync(path, 65534, 65534);
    }
    chmodSync(temp.path, 0o755);
    const output = execFileSync(process.execPath, [`${base}/own/try.ts`], {
      uid: 65534,
      gid: 65534,
      cwd: base,
      env: { HOME: base },
    });
    expect(JSON.parse(String(output))).toEqual([true, "EACCES"]);
    expect(readdirSync(`${base}/own/data/snapshots`).length).toBe(SPARE);
  });
});

describe("differences", () => {
  test("between what a scan read and what was then copied", async () => {
    const { pack, snapshots } = fresh({ "lib/x.sh": "1", "actions/a.sh": "1", "lib/node_modules/m/i.js": "1" });
    symlinkSync("../lib", `${pack}/actions/more`);
    symlinkSync("../lib/x.sh", `${pack}/actions/x.sh`);
    const files = fileStates(pack, new Map());
    for (const path of ["actions/a.sh", "actions/x.sh", "actions/more/x.sh", "lib/node_modules/m/i.js"]) await files.hashOf(path);
    expect(differences((await snapshots.take(pack)).entries, files.states)).toEqual([]);
    writeFileSync(`${pack}/lib/x.sh`, "2");
    rmSync(`${pack}/actions/a.sh`);
    expect(differences((await snapshots.take(pack)).entries, files.states)).toEqual([
      "actions/a.sh",
      "actions/x.sh",
      "actions/more/x.sh",
    ]);
  });
});
