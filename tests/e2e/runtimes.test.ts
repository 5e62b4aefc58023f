import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const temp = tempDir("runtimes");
afterAll(() => temp[Symbol.dispose]());
const bin = join(temp.path, "bin");
mkdirSync(bin);
const PATH = `${bin}:${process.env["PATH"]}`;

function program(name: string, script: string): string {
  const path = join(bin, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

interface Runtime {
  readonly ref: string;
  readonly available: boolean;
  readonly reason: string | null;
  readonly version: string | null;
  readonly versions: readonly { readonly version: string | null; readonly path: string | null }[];
}
const runtimeOf = async (daemon: TestDaemon, ref: string) =>
  (await daemon.cli("runtime", "show", ref, "-o", "json")).json<Runtime>();

async function outputOf(daemon: TestDaemon, action: string): Promise<string> {
  const { code, stdout, stderr } = await daemon.cli("run", action);
  return code === 0 ? stdout.trim() : stderr.trim();
}

const manifest = (ref: string) => `ref: ${ref}\nversion: 1.0.0\n`;

test("the interpreters of this machine run scripts through the core pack's declarations", async () => {
  await using daemon = await startDaemon({
    packs: {
      "p/pack.yaml": manifest("p"),
      "p/lib/Greeting.pm": 'package Greeting; sub text { "perl " . shift } 1;\n',
      "p/actions/perl.yaml": 'ref: p.perl\nentry_point: a.pl\nruntime_version: ">=5.8"\n',
      "p/actions/a.pl": 'use Greeting; print Greeting::text($ENV{PERL5LIB} // "none"), "\\n";\n',
      "p/lib/greeting.js": 'module.exports = "node";\n',
      "p/actions/node.yaml": "ref: p.node\nentry_point: a.js\n",
      "p/actions/a.js": 'console.log(require("greeting"));\n',
      "p/actions/old.yaml": 'ref: p.old\nrunner_type: node\nentry_point: a.js\nruntime_version: "~0.10"\n',
    },
  });
  expect(await outputOf(daemon, "p.perl")).toBe("perl none");
  expect(await outputOf(daemon, "p.node")).toBe("node");
  const node = await runtimeOf(daemon, "node");
  expect(node).toMatchObject({
    ref: "core.nodejs",
    available: true,
    version: Bun.spawnSync(["node", "-p", "process.versions.node"]).stdout.toString().trim(),
  });
  expect(await outputOf(daemon, "p.old")).toContain(`runtime unavailable: no nodejs satisfies ~0.10 (found ${node.version})`);
});

test("an action gets the Python it asks for, of all that are here", async () => {
  await using daemon = await startDaemon({ packs: { "p/pack.yaml": manifest("p") } });
  const versions = (await runtimeOf(daemon, "python")).versions.flatMap(({ version }) => version ?? []);
  expect(versions.length).toBeGreaterThan(0);
  daemon.project.writePacks({
    ...Object.fromEntries(
      versions.map((version, i) => [`p/actions/v${i}.yaml`, `ref: p.v${i}\nentry_point: v.py\nruntime_version: "=${version}"\n`]),
    ),
    "p/actions/v.py": "import platform\nprint(platform.python_version())\n",
  });
  for (const [i, version] of versions.entries())
    await until(`python ${version} runs`, async () => (await outputOf(daemon, `p.v${i}`)) === version);
});

test("a pack may come before its runtime, and follows it as it comes, changes and goes", async () => {
  const yaml = (more: string) => `ref: q.tock
aliases: [tick]
distributions: {verification: {commands: [{binary: tock, args: [--version]}]}}
execution_config: {interpreter: {binary: tock, args: [-f]}}
versions:
  - {version: "2", execution_config: {interpreter: {binary: tock2}}, distributions: {verification: {commands: [{binary: tock2}]}}}
${more}`;
  await using daemon = await startDaemon({
    packs: {
      "p/pack.yaml": manifest("p"),
      "p/actions/any.yaml": "ref: p.any\nrunner_type: Tick\nentry_point: a.tock\n",
      "p/actions/two.yaml": 'ref: p.two\nrunner_type: tick\nentry_point: a.tock\nruntime_version: ">=2"\n',
      "p/actions/a.tock": "script\n",
      "p/triggers/t.yaml": "ref: p.t\n",
      "p/sensors/s.yaml": "ref: p.s\nrunner_type: tick\nentry_point: s.tock\ntrigger_types: [t]\n",
      "p/sensors/s.tock": "sensor\n",
      "p/rules/r.yaml": "ref: p.r\ntrigger_ref: t\naction_ref: core.noop\n",
    },
    env: { PATH },
  });
  const says = (action: string, text: string) =>
    until(`${action} says ${text}`, async () => (await outputOf(daemon, action)).includes(text));
  await says("p.any", "runtime unavailable: nothing provides tick");
  const { warnings, errors } = await daemon.get<{ warnings: { message: string }[]; errors: unknown[] }>("/packs/p");
  expect(errors).toEqual([]);
  expect(warnings.map((problem) => problem.message)).toEqual(Array(3).fill('there is no runtime "tick"'));
  const sensor = async () =>
    (await daemon.cli("sensor", "show", "p.s", "-o", "json")).json<{ status: string; reason: string | null }>();
  expect(await sensor()).toMatchObject({ status: "unavailable", reason: "runtime unavailable: nothing provides tick" });

  writePack(join(daemon.dir, "packs/q"), { "pack.yaml": manifest("q"), "runtimes/tock.yaml": yaml("") });
  await says("p.any", "runtime unavailable: q.tock: tock is not on the PATH");

  program(
    "tock",
    '[ "$1" = --version ] && echo tock 1.4 && exit; [ "$(basename "$2")" = s.tock ] && exec sleep 1000; echo one "$1"',
  );
  expect((await daemon.cli("runtime", "check", "tick")).stdout).toContain("1.4");
  expect(await outputOf(daemon, "p.any")).toBe("one -f");
  await says("p.two", "runtime unavailable: no tock satisfies >=2 (found 1.4)");
  await until("the sensor runs", async () => (await sensor()).status === "running");

  program("tock2", 'echo "2.5 $(basename "$1")"');
  const checked = (await daemon.cli("runtime", "check", "-o", "json")).json<Runtime[]>();
  expect(checked.find(({ ref }) => ref === "q.tock")?.versions.map(({ version }) => version)).toEqual(["1.4", "2.5"]);
  expect(await outputOf(daemon, "p.two")).toBe("2.5 a.tock");
  expect(await outputOf(daemon, "p.any")).toBe("one -f");

  writePack(join(daemon.dir, "packs/q"), { "runtimes/tock.yaml": yaml("").replace("[-f]", "[-g]") });
  await says("p.any", "one -g");
  writePack(join(daemon.dir, "packs/q"), { "runtimes/tock.yaml": "ref: q.tock\nexecution_config: [\n" });
  await until("the mistake is told", () => daemon.log().includes("q/runtimes/tock.yaml:"));
  expect(await outputOf(daemon, "p.any")).toBe("one -g");

  rmSync(join(daemon.dir, "packs/q"), { recursive: true });
  await says("p.any", "runtime unavailable: nothing provides tick");
  await until("the sensor is stopped", async () => (await sensor()).status === "unavailable");
});

test("only what the operator lists is used, and that is not verified first", async () => {
  program("vouched", 'case "$1" in --version) exit 1;; esac; echo vouched');
  await using daemon = await startDaemon({
    packs: {
      "p/pack.yaml": manifest("p"),
      "p/runtimes/vouched.yaml":
        "ref: p.vouched\ndistributions: {verification: {commands: [{binary: vouched, args: [--version]}]}}\n" +
        "execution_config: {interpreter: {binary: vouched}}\n",
      "p/actions/a.yaml": "ref: p.a\nrunner_type: vouched\nentry_point: x\n",
      "p/actions/x": "",
      "p/actions/shell.yaml": "ref: p.shell\nentry_point: b.sh\n",
      "p/actions/b.sh": "echo shell\n",
    },
    config: 'import { defineConfig } from "attune";\nexport default defineConfig({ runtimes: { sensors: ["bun"] } });\n',
    env: { PATH, ATTUNE_WORKER_RUNTIMES: "vouched,pyton" },
  });
  expect(await outputOf(daemon, "p.a")).toBe("vouched");
  expect(await outputOf(daemon, "p.shell")).toContain("runtime unavailable: core.shell: not in ATTUNE_WORKER_RUNTIMES");
  expect(await runtimeOf(daemon, "shell")).toMatchObject({
    available: false,
    reason: "actions: not in ATTUNE_WORKER_RUNTIMES; sensors: not in runtimes.sensors of the configuration",
  });
  expect(await runtimeOf(daemon, "bun")).toMatchObject({ available: true, reason: "actions: not in ATTUNE_WORKER_RUNTIMES" });
  expect(daemon.log()).toContain("ATTUNE_WORKER_RUNTIMES names pyton, which is no runtime now; did you mean python?");
  const unknown = await daemon.cli("runtime", "check", "vouchd");
  expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining("did you mean")]);
});
