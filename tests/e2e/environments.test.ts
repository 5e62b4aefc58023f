import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { tempDir } from "../support/packs.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";
import { npmArchive, writeWheel } from "../support/wheels.ts";

setDefaultTimeout(120_000);

interface Environment {
  readonly pack_ref: string;
  readonly runtime: string;
  readonly status: string;
  readonly path: string | null;
  readonly reason: string | null;
}
interface Execution {
  readonly id: string;
  readonly status: string;
  readonly error: string | null;
  readonly result: { readonly stdout?: string };
}

async function environmentOf(daemon: TestDaemon, pack: string): Promise<Environment | undefined> {
  return (await daemon.get<Environment[]>("/environments")).find((one) => one.pack_ref === pack);
}
const standsAs = (daemon: TestDaemon, pack: string, status: string) =>
  until(
    `${pack} is ${status}`,
    async () => {
      const found = await environmentOf(daemon, pack);
      return found?.status === status && found;
    },
    { timeout: 60_000 },
  );
const execution = (daemon: TestDaemon, id: string) => daemon.get<Execution>(`/executions/${id}`);
const completed = (daemon: TestDaemon, id: string) =>
  until("it has completed", async () => {
    const found = await execution(daemon, id);
    return found.status === "completed" && found;
  });

/** The id of an execution that nobody waits for. */
async function request(daemon: TestDaemon, action: string): Promise<string> {
  const response = await fetch(`${daemon.url}/api/v1/executions/execute`, {
    method: "POST",
    headers: { Authorization: `Bearer ${daemon.token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ action_ref: action, parameters: {} }),
  });
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { data: Execution }).data.id;
}

describe("with the real installers, without a network", () => {
  const python = (pack: string, version: string) => ({
    [`${pack}/pack.yaml`]: `ref: ${pack}\nversion: 1.0.0\n`,
    [`${pack}/requirements.txt`]: `attune_demo==${version}\n`,
    [`${pack}/actions/show.yaml`]: `ref: ${pack}.show\nrunner_type: python\nentry_point: show.py\n`,
    [`${pack}/actions/show.py`]: "import attune_demo, own\nprint(attune_demo.VERSION, own.NAME)\n",
    [`${pack}/lib/own.py`]: `NAME = "${pack}"\n`,
  });
  const modules = 'import tiny from "tiny";\nimport beside from "beside";\n';
  const javascript = (pack: string, { runtime = "node", extension = "js", code = "", library = "" }) => ({
    [`${pack}/pack.yaml`]: `ref: ${pack}\nversion: 1.0.0\n`,
    [`${pack}/package.json`]: '{"type":"commonjs","dependencies":{"tiny":"file:vendor/tiny.tgz","beside":"file:./beside"}}',
    [`${pack}/beside/package.json`]: '{"name":"beside","version":"1.0.0","main":"main.js"}',
    [`${pack}/beside/main.js`]: 'module.exports = "beside";\n',
    [`${pack}/lib/own.${extension}`]: library,
    [`${pack}/actions/show.yaml`]: `ref: ${pack}.show\nrunner_type: ${runtime}\nentry_point: show.${extension}\n`,
    [`${pack}/actions/show.${extension}`]: code,
  });
  const scratch = tempDir("npm");
  let daemon: TestDaemon;
  beforeAll(async () => {
    // Not as root, whom no file's mode keeps from writing into the copy of a pack.
    const as = process.getuid?.() === 0 ? { as: { uid: 65534, gid: 65534 } } : {};
    daemon = await startDaemon({
      config: "export default { environments: { findLinks: ['wheels'], offline: true } };\n",
      files: { "wheels/none": "" },
      packs: {
        ...python("old", "1.0.0"),
        ...python("new", "2.0.0"),
        ...javascript("web", {
          runtime: "bun",
          extension: "ts",
          code: `${modules}import own from "own";\nconsole.log(tiny, beside, own);\n`,
          library: 'export default "own";\n',
        }),
        ...javascript("server", {
          code: 'console.log(require("tiny"), require("beside"), require("own"));\n',
          library: 'module.exports = "own";\n',
        }),
        ...javascript("modern", {
          extension: "mjs",
          code: `${modules}import own from "own.mjs";\nconsole.log(tiny, beside, own, (await import("tiny")).default === tiny);\nawait import("nosuch");\n`,
          library: 'export default "own";\n',
        }),
        "plain/pack.yaml": "ref: plain\nversion: 1.0.0\n",
        "plain/package.json": '{"type":"module"}',
        "plain/pyproject.toml": "[tool.ruff]\nline-length = 100\n",
        "plain/actions/ts.yaml": "ref: plain.ts\nentry_point: ts.ts\n",
        "plain/actions/ts.ts": "console.log(process.env.NODE_PATH?.includes('node_modules'));\n",
        "plain/actions/py.yaml": "ref: plain.py\nentry_point: py.py\n",
        "plain/actions/py.py": "import sys\nprint(sys.prefix == sys.base_prefix)\n",
      },
      ...as,
    });
    const wheels = join(daemon.dir, "wheels");
    for (const version of ["1.0.0", "2.0.0", "3.0.0"]) writeWheel(wheels, "attune_demo", version, `VERSION = "${version}"\n`);
    const archive = npmArchive(scratch.path, "tiny", "1.2.3", 'module.exports = "tiny 1.2.3";\n');
    for (const pack of ["web", "server", "modern"]) {
      daemon.project.writePacks({ [`${pack}/vendor/note`]: "" });
      writeFileSync(join(daemon.dir, "packs", pack, "vendor/tiny.tgz"), archive);
    }
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  test("two packs with conflicting versions of one package run side by side, each with its own lib/", async () => {
    for (const pack of ["old", "new"]) {
      await daemon.cli("pack", "env", "rebuild", pack);
      await standsAs(daemon, pack, "ready");
    }
    const runs = await Promise.all(["old", "new"].map((pack) => daemon.cli("run", `${pack}.show`)));
    expect(runs.map(({ stdout }) => stdout)).toEqual(["1.0.0 old\n", "2.0.0 new\n"]);
  });

  test("a requirement that can't be met is shown with pip's words, and the environment before stays in use", async () => {
    const before = await standsAs(daemon, "old", "ready");
    daemon.project.writePacks({ "old/requirements.txt": "attune_demo==9.9.9\n" });
    const broken = await standsAs(daemon, "old", "outdated");
    expect(broken.path).toBe(before.path);
    expect(broken.reason).toContain("No matching distribution found for attune_demo==9.9.9");
    expect(daemon.log()).toContain("No matching distribution found for attune_demo==9.9.9");
    expect((await daemon.cli("run", "old.show")).stdout).toBe("1.0.0 old\n");
    const list = await daemon.cli("pack", "env", "list");
    expect(list.stdout).toMatch(/^old +python +\S+ +outdated +\S+ MB +pip install failed \(exit code 1\): ERROR: No matching/m);

    daemon.project.writePacks({ "old/requirements.txt": "attune_demo==3.0.0\n" });
    const mended = await standsAs(daemon, "old", "ready");
    expect(mended.path).not.toBe(before.path);
    expect((await daemon.cli("run", "old.show")).stdout).toBe("3.0.0 old\n");
  });

  test.each(["web", "server"])(
    "%s: packages of npm, and directories of the pack, without running their scripts",
    async (pack) => {
      await standsAs(daemon, pack, "ready");
      const shown = await daemon.cli("run", `${pack}.show`);
      expect(shown.stdout + shown.stderr).toBe("tiny 1.2.3 beside own\n");
      expect(existsSync(join(scratch.path, "postinstall-ran"))).toBe(false);
    },
  );

  test("import in node finds what require does, and what is nowhere is told as node tells it", async () => {
    await standsAs(daemon, "modern", "ready");
    const shown = await daemon.cli("run", "modern.show");
    expect(shown.stdout).toBe("tiny 1.2.3 beside own true\n");
    expect(shown.stderr).toContain("Cannot find package 'nosuch' imported from");
  });

  test("manifests that ask for nothing make no environment", async () => {
    expect((await daemon.cli("run", "plain.ts")).stdout).toBe("false\n");
    expect((await daemon.cli("run", "plain.py")).stdout).toBe("True\n");
    expect(await environmentOf(daemon, "plain")).toBeUndefined();
  });
});

describe("while an environment is made", () => {
  /** A runtime whose environments are made as soon as there is a file `go` in the scratch directory. */
  const config = (scratch: string) => `
    const recipe = {
      manifests: ["needs.txt"],
      create: ({ dir }) => [{ argv: ["/bin/sh", "-c", 'echo $$ >> ${scratch}/installers; while [ ! -e ${scratch}/go ]; do sleep 0.02; done; . ./needs.txt', "-", dir] }],
    };
    const launch = ({ entrypoint, environment }) => ({ argv: ["/bin/sh", entrypoint], env: { MADE: environment ?? "none" } });
    const gated = { kind: "runtime", name: "gated", api: 1, launch, environment: recipe, probe: () => ({ version: "1.0" }) };
    export default { plugins: { use: [gated] }, limits: { concurrency: 1 } };
  `;
  const pack = (needs: string) => ({
    "g/pack.yaml": "ref: g\nversion: 1.0.0\n",
    "g/needs.txt": needs,
    "g/actions/a.yaml": "ref: g.a\nrunner_type: gated\nentry_point: a.sh\n",
    "g/actions/a.sh": 'cat "$MADE/content"\n',
    "g/triggers/t.yaml": "ref: g.t\noutput: { pid: { type: integer }, content: { type: string } }\n",
    "g/sensors/s.yaml": "ref: g.s\nrunner_type: gated\nentry_point: s.sh\ntrigger_types: [g.t]\n",
    "g/sensors/s.sh": `printf '{"pid": %d, "content": "%s"}\\n' $$ "$(cat "$MADE/content")"\nexec sleep 1000\n`,
    "g/rules/r.yaml": "ref: g.r\ntrigger_ref: g.t\naction_ref: g.a\n",
    "o/pack.yaml": "ref: o\nversion: 1.0.0\n",
    "o/actions/a.yaml": "ref: o.a\nentry_point: a.sh\n",
    "o/actions/a.sh": "echo other\n",
  });
  async function start(needs: string): Promise<{ daemon: TestDaemon; scratch: ReturnType<typeof tempDir> }> {
    const scratch = tempDir("gate");
    return { daemon: await startDaemon({ packs: pack(needs), config: config(scratch.path) }), scratch };
  }
  const sensor = (daemon: TestDaemon) =>
    daemon.get<{ status: string; pid: number | null; reason: string | null }>("/sensors/g.s");

  test("its executions wait without a slot, others go on, and a kill -9 loses none", async () => {
    const { daemon, scratch } = await start('echo one > "$1/content"\n');
    await using _ = daemon;
    using __ = scratch;
    await standsAs(daemon, "g", "making");
    const waiting = [await request(daemon, "g.a"), await request(daemon, "g.a")];
    const emitted = await daemon.cli("trigger", "emit", "g.t", "pid=1", "content=x");
    expect(emitted.code).toBe(0);
    expect((await daemon.cli("run", "o.a")).stdout).toBe("other\n");
    expect(await Promise.all(waiting.map(async (id) => (await execution(daemon, id)).status))).toEqual([
      "scheduled",
      "scheduled",
    ]);
    expect(await sensor(daemon)).toMatchObject({ status: "unavailable", reason: "its environment is being made" });

    await using run = Bun.spawn(daemon.project.command(["run", "g.a"]), {
      ...{ cwd: daemon.project.dir, env: daemon.project.env, stdout: "ignore", stderr: "pipe" },
    });
    const note = (await run.stderr.getReader().read()).value;
    expect(new TextDecoder().decode(note)).toBe("waiting until the environment of g is made: attune pack env list\n");
    run.kill();
    await run.exited;

    await until("the installer works", () => existsSync(join(scratch.path, "installers")));
    await daemon.kill9();
    await daemon.restart();
    const [before] = readFileSync(join(scratch.path, "installers"), "utf8").split("\n");
    expect(isRunning(Number(before))).toBe(false);
    await standsAs(daemon, "g", "making");
    expect((await daemon.cli("run", "o.a")).stdout).toBe("other\n");
    expect((await execution(daemon, waiting[0] ?? "")).status).toBe("scheduled");

    writeFileSync(join(scratch.path, "go"), "");
    const { path } = await standsAs(daemon, "g", "ready");
    for (const id of waiting) expect((await completed(daemon, id)).result.stdout).toBe("one\n");
    // Those two, the one that was followed, one for the event, and one for the line of the sensor that has started meanwhile.
    const all = await until("all are over", async () => {
      const found = await daemon.get<(Execution & { action_ref: string })[]>("/executions?action_ref=g.a");
      return found.length === 5 && found.every(({ status }) => status === "completed") && found;
    });
    expect(all.every(({ result }) => result.stdout === "one\n")).toBe(true);
    expect((await sensor(daemon)).status).toBe("running");
    // What the killed daemon had begun is gone.
    expect(readdirSync(join(path ?? "", ".."))).toHaveLength(1);
  });

  test("a sensor is started anew when its environment is replaced, and keeps running when that fails", async () => {
    const { daemon, scratch } = await start('echo one > "$1/content"\n');
    await using _ = daemon;
    using __ = scratch;
    writeFileSync(join(scratch.path, "go"), "");
    const first = await until("the sensor runs", async () => (await sensor(daemon)).pid);
    daemon.project.writePacks({ "g/needs.txt": "echo no such thing >&2; exit 1\n" });
    await standsAs(daemon, "g", "outdated");
    expect((await sensor(daemon)).pid).toBe(first);
    daemon.project.writePacks({ "g/needs.txt": 'echo two > "$1/content"\n' });
    const second = await until("it was started anew", async () => {
      const { pid, status } = await sensor(daemon);
      return status === "running" && pid !== first && pid;
    });
    const made = `MADE=${(await environmentOf(daemon, "g"))?.path}`;
    // Empty until the program has taken the place of the process that started it.
    await until("it has the new one", () => readFileSync(`/proc/${second}/environ`, "utf8").split("\0").includes(made));
  });

  test("one that can't be made fails what waited for it, at once, with the reason", async () => {
    const { daemon, scratch } = await start("echo no such thing >&2; exit 1\n");
    await using _ = daemon;
    using __ = scratch;
    await standsAs(daemon, "g", "making");
    const waiting = await request(daemon, "g.a");
    writeFileSync(join(scratch.path, "go"), "");
    const failed = await until("it has failed", async () => {
      const found = await execution(daemon, waiting);
      return found.status === "failed" && found;
    });
    expect(failed.error).toContain("environment of g: sh failed (exit code 1)\n  no such thing");
    const run = await daemon.cli("run", "g.a");
    expect([run.code, run.stderr]).toEqual([1, expect.stringContaining("no such thing")]);
    expect(await sensor(daemon)).toMatchObject({ status: "unavailable", reason: expect.stringContaining("no such thing") });

    daemon.project.writePacks({ "g/needs.txt": 'echo good > "$1/content"\n' });
    await standsAs(daemon, "g", "ready");
    expect((await daemon.cli("run", "g.a")).stdout).toBe("good\n");
    expect((await daemon.cli("pack", "env", "remove", "g")).stdout).toBe("the environments of g are removed\n");
    expect((await daemon.cli("run", "g.a")).stdout).toBe("good\n");
    const unknown = await daemon.cli("pack", "env", "rebuild", "o");
    expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining("pack o has no environment")]);
  });
});
