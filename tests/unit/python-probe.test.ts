import { afterAll, afterEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPythons } from "../../src/plugins/runtimes/python-probe.ts";
import { tempDir } from "../support/packs.ts";

const temp = tempDir("pythons");
afterAll(() => temp[Symbol.dispose]());
const own = process.env["PATH"];
afterEach(() => {
  process.env["PATH"] = own;
});
let count = 0;

/** Makes a directory the whole PATH; programs in it say that they are at `path` and of `version`. */
function onPath(programs: Readonly<Record<string, { path?: string; version: string }>>, name = `bin${count++}`): string {
  const dir = join(temp.path, name);
  mkdirSync(dir, { recursive: true });
  for (const [program, { path = join(dir, program), version }] of Object.entries(programs)) {
    writeFileSync(join(dir, program), `#!/bin/sh\necho "\${0##*/}" >>${dir}/asked\necho ${path}\necho ${version}\n`);
    chmodSync(join(dir, program), 0o755);
  }
  process.env["PATH"] = dir;
  return dir;
}
const asked = async (dir: string) => (await Bun.file(join(dir, "asked")).text()).trim().split("\n").sort();
const find = async (dir: string) => (await findPythons(AbortSignal.timeout(10_000))).filter(({ path }) => path?.startsWith(dir));

test("python3 comes first, then the others from new to old, each with the path it gives itself", async () => {
  const dir = onPath({
    python3: { version: "3.12.1" },
    "python3.9": { version: "3.9.18" },
    "python3.14": { version: "3.14.0rc1" },
    "python3.7": { version: "3.7.1" },
  });
  expect(await find(dir)).toEqual([
    { path: join(dir, "python3"), version: "3.12.1" },
    { path: join(dir, "python3.14"), version: "3.14.0rc1" },
    { path: join(dir, "python3.9"), version: "3.9.18" },
  ]);
});

test("names for the same file are asked once, and what leads to the same file counts once", async () => {
  const dir = onPath({ "python3.12": { version: "3.12.1" } });
  symlinkSync("python3.12", join(dir, "python3"));
  writeFileSync(join(dir, "python3.11"), `#!/bin/sh\necho ${dir}/python3.12\necho 3.12.1\n`);
  chmodSync(join(dir, "python3.11"), 0o755);
  expect(await find(dir)).toEqual([{ path: join(dir, "python3.12"), version: "3.12.1" }]);
  expect(await asked(dir)).toEqual(["python3"]);
});

test("a version manager is asked for its python3 only", async () => {
  const real = onPath({ "python3.10": { version: "3.10.4" } });
  const target = join(real, "python3.10");
  const shims = onPath(
    {
      python3: { path: target, version: "3.10.4" },
      "python3.10": { path: target, version: "3.10.4" },
      "python3.9": { version: "3.9.1" },
    },
    "manager/shims",
  );
  expect((await findPythons(AbortSignal.timeout(10_000)))[0]).toEqual({ path: target, version: "3.10.4" });
  expect(await asked(shims)).toEqual(["python3"]);
});

test("one that fails is left out", async () => {
  const dir = onPath({ "python3.12": { version: "3.12.1" } });
  writeFileSync(join(dir, "python3"), "#!/bin/sh\nexit 127\n");
  chmodSync(join(dir, "python3"), 0o755);
  symlinkSync("nowhere", join(dir, "python3.13"));
  expect(await find(dir)).toEqual([{ path: join(dir, "python3.12"), version: "3.12.1" }]);
});

test.if(existsSync("/usr/bin/python3"))("the usual places count whatever the PATH is", async () => {
  process.env["PATH"] = temp.path;
  const versions = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"].map((version) => `/usr/bin/python${version}`);
  const expected = versions.filter((path) => existsSync(path)).map((path) => realpathSync(path));
  const found = (await findPythons(AbortSignal.timeout(10_000))).map(({ path = "" }) => realpathSync(path));
  for (const path of expected) expect(found).toContain(path);
});
