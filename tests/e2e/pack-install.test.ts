import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tarGzipOf, zipOf } from "../support/archives.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { writePack } from "../support/packs.ts";
import { makeProject, type Output } from "../support/project.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

/** A pack with one action that says its version. */
function packFiles(ref: string, version: string): Record<string, string> {
  return {
    "pack.yaml": `ref: ${ref}\nversion: ${version}\ndependencies: [core]\n`,
    "actions/say.yaml": `ref: ${ref}.say\nrunner_type: shell\nentry_point: say.sh\n`,
    "actions/say.sh": `#!/bin/sh\necho ${ref} ${version}\n`,
  };
}
const entriesOf = (ref: string, version: string) =>
  Object.entries(packFiles(ref, version)).map(([name, text]) => ({ name, text }));
const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");

let daemon: TestDaemon;
/** What the web server has, by path. */
const web = new Map<string, Uint8Array | ReadableStream>();
let server: Bun.Server<undefined>;
const at = (path: string) => `http://127.0.0.1:${server.port}/${path}`;
const scratch = (name: string) => join(daemon.project.scratch, name);
const packs = () => readdirSync(join(daemon.dir, "packs")).sort();

beforeAll(async () => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const found = web.get(new URL(request.url).pathname.slice(1));
      if (!found) return new Response(null, { status: 404 });
      return new Response(found instanceof ReadableStream ? found : Buffer.from(found));
    },
  });
  daemon = await startDaemon();
}, 60_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await server.stop(true);
});

async function ok(...args: string[]): Promise<Output> {
  const output = await daemon.cli(...args);
  if (output.code !== 0) throw new Error(`attune ${args.join(" ")}: ${output.stdout}${output.stderr}`);
  return output;
}
const says = async (ref: string) => (await ok("run", `${ref}.say`)).stdout.trim();

function commit(dir: string, files: Readonly<Record<string, string>>, ...then: string[][]): void {
  writePack(dir, files);
  const author = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
  for (const args of [["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=x"], ...then]) {
    const { exitCode, stderr } = Bun.spawnSync(["git", ...author, ...args], { cwd: dir, env: daemon.project.env });
    if (exitCode !== 0) throw new Error(String(stderr));
  }
}

describe("with a running daemon a pack is installed and served", () => {
  test("from a directory", async () => {
    const dir = writePack(scratch("bydir"), packFiles("bydir", "1.0.0"));
    const { stdout } = await ok("pack", "install", dir);
    expect(stdout).toBe("installed bydir 1.0.0 in packs/bydir (3 files)\nit depends on core\n");
    expect(await says("bydir")).toBe("bydir 1.0.0");

    writePack(dir, packFiles("bydir", "1.1.0"));
    expect((await ok("pack", "update", "bydir", "-o", "json")).json()).toEqual([
      { pack: "bydir", from: "1.0.0", to: "1.1.0", changed: true, error: null, hint: null },
    ]);
    expect(await says("bydir")).toBe("bydir 1.1.0");
    expect((await ok("pack", "update", "bydir")).stdout).toMatch(/bydir +1\.1\.0 +1\.1\.0 +up to date/);
  });

  test.each([
    ["tgz", async (ref: string, version: string) => tarGzipOf(entriesOf(ref, version))],
    ["zip", async (ref: string, version: string) => zipOf(entriesOf(ref, version))],
  ])("from a .%s, by path and by URL", async (ending, archiveOf) => {
    const [file, ref] = [scratch(`byfile.${ending}`), `by${ending}`];
    const archive = await archiveOf(ref, "1.0.0");
    writeFileSync(file, archive);
    const installed = (await ok("pack", "install", file, "--sha256", sha256(archive), "-o", "json")).json();
    expect(installed).toMatchObject({
      pack: ref,
      version: "1.0.0",
      previous: null,
      directory: join(daemon.dir, "packs", ref),
      source: file,
      sha256: sha256(archive),
      files: 3,
      dependencies: ["core"],
      daemon: { served: true, errors: 0 },
    });
    expect(await says(ref)).toBe(`${ref} 1.0.0`);

    web.set(`${ref}-2`, await archiveOf(ref, "2.0.0"));
    const taken = await daemon.cli("pack", "install", at(`${ref}-2`));
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining(`attune pack update ${ref}`)]);
    const { stdout } = await ok("pack", "install", at(`${ref}-2`), "--force");
    expect(stdout).toContain(`replaced ${ref} 1.0.0 by 2.0.0`);
    expect(await says(ref)).toBe(`${ref} 2.0.0`);
  });

  test("from git, and updated to another ref", async () => {
    const dir = scratch("bygit");
    commit(dir, packFiles("bygit", "1.0.0"), ["tag", "v1.0.0"]);
    commit(dir, packFiles("bygit", "2.0.0"), ["tag", "v2.0.0"]);
    await ok("pack", "install", `file://${dir}/.git`, "--ref", "v1.0.0");
    expect(await says("bygit")).toBe("bygit 1.0.0");
    expect(existsSync(join(daemon.dir, "packs/bygit/.git"))).toBe(false);
    expect((await ok("pack", "update", "bygit")).stdout).toContain("up to date");
    expect((await ok("pack", "update", "bygit", "--ref", "v2.0.0")).stdout).toMatch(/1\.0\.0 +2\.0\.0 +updated/);
    expect(await says("bygit")).toBe("bygit 2.0.0");
  });

  test("by name from an index, which later has a newer version", async () => {
    const versionsOf = async (...versions: string[]) => {
      const entries = versions.map(async (version) => {
        const archive = await tarGzipOf(entriesOf("byname", version));
        web.set(`archives/byname-${version}.tgz`, archive);
        return { version, source: `archives/byname-${version}.tgz`, sha256: sha256(archive) };
      });
      const pack = { name: "byname", description: "Says its version", tags: ["speech"], versions: await Promise.all(entries) };
      web.set("index.json", Buffer.from(JSON.stringify({ packs: [pack, { name: "other", versions: [] }] })));
    };
    await versionsOf("1.0.0", "1.2.0", "2.0.0");
    const index = ["--index", at("index.json")];
    const listed = (await ok("pack", "index", "list", ...index, "-o", "json")).json();
    expect(listed).toMatchObject([{ name: "byname", versions: ["2.0.0", "1.2.0", "1.0.0"] }, { name: "other" }]);
    expect((await ok("pack", "index", "search", "SPEECH", ...index, "-o", "json")).json()).toHaveLength(1);
    const env = { ATTUNE_PACK_INDEX: at("index.json") };
    expect((await daemon.project.cliWith({ env }, "pack", "index", "search", "nothing")).stderr).toBe("no such packs\n");

    expect((await daemon.project.cliWith({ env }, "pack", "install", "byname@^1")).stdout).toContain("installed byname 1.2.0");
    expect(await says("byname")).toBe("byname 1.2.0");
    await versionsOf("1.2.0", "1.3.0", "2.0.0");
    // It knows from which index it came.
    expect((await ok("pack", "update", "byname")).stdout).toMatch(/1\.2\.0 +1\.3\.0 +updated/);
    expect((await ok("pack", "update", "byname")).stdout).toContain("up to date");
    expect((await daemon.cli("pack", "install", "byname@^9", ...index)).code).toBe(3);
    expect((await daemon.cli("pack", "install", "byname")).code).toBe(2);
  });

  test("and its files stay live after an update", async () => {
    const script = join(daemon.dir, "packs/bydir/actions/say.sh");
    writeFileSync(script, "#!/bin/sh\necho edited\n");
    await until("the edit is served", async () => (await says("bydir")) === "edited");
    for (const command of ["update", "uninstall"]) {
      const refused = await daemon.cli("pack", command, "bydir");
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("was edited since it was installed")]);
    }
    expect((await ok("pack", "update", "bydir", "--force")).stdout).toMatch(/bydir +1\.1\.0 +1\.1\.0 +updated/);
    expect(await says("bydir")).toBe("bydir 1.1.0");
  });

  test("and uninstalled", async () => {
    const { stdout } = await ok("pack", "uninstall", "bydir");
    expect(stdout).toBe("uninstalled bydir from packs/bydir\n");
    expect((await daemon.cli("run", "bydir.say")).code).toBe(3);
    expect(packs()).toEqual(["bygit", "byname", "bytgz", "byzip"]);
    expect((await daemon.cli("pack", "uninstall", "bydir")).code).toBe(3);
  });

  test("all at once are updated, and one that can't be fetched keeps no other from it", async () => {
    web.delete("bytgz-2");
    web.set("byzip-2", zipOf(entriesOf("byzip", "2.1.0")));
    const { code, json } = await daemon.cli("pack", "update", "-o", "json");
    expect(code).toBe(1);
    expect(json<unknown[]>()).toMatchObject([
      { pack: "bygit", changed: false },
      { pack: "byname", changed: false },
      { pack: "bytgz", error: expect.stringContaining("404") },
      { pack: "byzip", from: "2.0.0", to: "2.1.0", changed: true },
    ]);
    expect([await says("bytgz"), await says("byzip")]).toEqual(["bytgz 2.0.0", "byzip 2.1.0"]);
  });
});

describe("nothing changes", () => {
  test("when the pack has mistakes, with and without --force", async () => {
    const before = packs();
    const broken = zipOf([...entriesOf("byzip", "3.0.0"), { name: "rules/r.yaml", text: "ref: byzip.r\ntriger_ref: x\n" }]);
    writeFileSync(scratch("broken.zip"), broken);
    for (const force of [[], ["--force"]]) {
      const refused = await daemon.cli("pack", "install", scratch("broken.zip"), ...force);
      expect(refused.code).toBe(1);
    }
    const { stderr } = await daemon.cli("pack", "install", scratch("broken.zip"), "--force");
    expect(stderr).toContain("byzip 3.0.0 has mistakes and is not installed");
    expect(stderr).toContain("rules/r.yaml:");
    expect(packs()).toEqual(before);
    expect(await says("byzip")).toBe("byzip 2.1.0");
  });

  test("when the archive is hostile, and the exit code says refused", async () => {
    const before = packs();
    const archive = await tarGzipOf([...entriesOf("evil", "1.0.0"), { name: "../../../evil", text: "x" }]);
    writeFileSync(scratch("evil.tgz"), archive);
    const { code, stderr } = await daemon.cli("pack", "install", scratch("evil.tgz"));
    expect([code, stderr]).toEqual([4, expect.stringContaining("leads out of the pack")]);
    expect((await daemon.cli("pack", "install", scratch("evil.tgz"), "--sha256", "0".repeat(64))).code).toBe(4);
    expect((await daemon.cli("pack", "install", `ext::sh -c touch% ${scratch("evil")}`)).code).toBe(4);
    expect((await daemon.cli("pack", "install", `file://${scratch("bygit")}/.git`, "--ref=--upload-pack=touch")).code).toBe(4);
    expect(packs()).toEqual(before);
  });

  test("to somebody's own pack, or to what is no pack", async () => {
    daemon.project.writePacks({ "mine/pack.yaml": "ref: mine\nversion: 1.0.0\n", "notes/readme": "x" });
    const archive = scratch("mine.zip");
    writeFileSync(archive, zipOf(entriesOf("mine", "9.0.0")));
    for (const args of [
      ["install", archive],
      ["update", "mine"],
      ["uninstall", "mine"],
    ]) {
      expect((await daemon.cli("pack", ...args)).code).toBe(1);
    }
    writeFileSync(scratch("notes.zip"), zipOf(entriesOf("notes", "1.0.0")));
    const refused = await daemon.cli("pack", "install", scratch("notes.zip"), "--force");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("is not the pack notes")]);
    expect(readFileSync(join(daemon.dir, "packs/mine/pack.yaml"), "utf8")).toContain("1.0.0");
  });

  test.each([
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const)("when it is ended by %s half-way", async (signal, code) => {
    const before = packs();
    const begun = (await tarGzipOf([{ name: "noise", content: crypto.getRandomValues(new Uint8Array(200_000)) }])).subarray(
      0,
      1_000,
    );
    web.set("stalled", new ReadableStream({ start: (controller) => controller.enqueue(begun) }));
    const child = Bun.spawn(daemon.project.command(["pack", "install", at("stalled")]), {
      cwd: daemon.dir,
      env: daemon.project.env,
      stdout: "ignore",
      stderr: "ignore",
    });
    const left = () => packs().filter((name) => !before.includes(name));
    await until("some of it is there", () => left().some((name) => existsSync(join(daemon.dir, "packs", name, "archive"))));
    child.kill(signal);
    await child.exited;
    expect(child.exitCode).toBe(code);
    if (signal === "SIGINT") expect(left()).toEqual([]);
    expect((await ok("pack", "list", "-o", "json")).json<{ ref: string }[]>().map(({ ref }) => ref)).not.toContain("stalled");
    await ok("pack", "install", `file://${scratch("bygit")}/.git`, "--force");
    expect(left()).toEqual([]);
  });
});

describe("without a daemon", () => {
  test("packs go beside the config file, or where --dir says", async () => {
    await using project = makeProject({ config: "throw new Error('never run');\n" });
    const archive = join(project.scratch, "a.zip");
    writeFileSync(archive, zipOf(entriesOf("alone", "1.0.0")));
    mkdirSync(join(project.dir, "sub"));
    const below = project.command(["pack", "install", archive]);
    const child = Bun.spawn(below, { cwd: join(project.dir, "sub"), env: project.env, stdout: "ignore", stderr: "ignore" });
    expect(await child.exited).toBe(0);
    expect(existsSync(join(project.dir, "packs/alone/pack.yaml"))).toBe(true);

    expect((await project.cli("pack", "install", archive, "--dir", "others")).code).toBe(0);
    expect(readdirSync(join(project.dir, "others"))).toEqual(["alone"]);
    expect((await project.cli("pack", "uninstall", "alone", "--dir", "others")).code).toBe(0);
    expect(readdirSync(join(project.dir, "others"))).toEqual([]);
  });

  test("a pack named core is installed only on purpose", async () => {
    await using project = makeProject();
    const archive = join(project.scratch, "core.zip");
    writeFileSync(archive, zipOf(entriesOf("core", "9.0.0")));
    expect((await project.cli("pack", "install", archive)).stderr).toContain("replaces the built-in one");
    expect((await project.cli("pack", "install", archive, "--force")).code).toBe(0);
  });
});
