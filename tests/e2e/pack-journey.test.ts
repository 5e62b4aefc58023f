import { expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { daemonIn } from "../support/daemon.ts";
import { makeProject, type Project } from "../support/project.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(180_000);

/** Archives the pack `weather` of a project as a version, and gives the index entry for it. */
function release(author: Project, version: string) {
  const file = join(author.scratch, `weather-${version}.tar.gz`);
  const packed = Bun.spawnSync(["tar", "-czf", file, "-C", join(author.dir, "packs"), "weather"]);
  expect(packed.exitCode).toBe(0);
  return { version, source: file, sha256: createHash("sha256").update(readFileSync(file)).digest("hex") };
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}

test("from an empty directory to an installed, tested, upgraded, rolled-back pack, by the command line only", async () => {
  await using author = makeProject();
  const did = async (project: Project, ...args: string[]) => {
    const output = await project.cli(...args);
    if (output.code !== 0) throw new Error(`attune ${args.join(" ")}: ${output.code}\n${output.stdout}${output.stderr}`);
    return output;
  };

  expect((await did(author, "pack", "create", "weather")).stdout).toContain("Next: attune pack test");
  const junit = join(author.scratch, "junit.xml");
  expect((await did(author, "pack", "test", "packs/weather", "--junit", junit)).stdout).toContain("5 passed, 0 failed");
  expect(readFileSync(junit, "utf8")).toContain('tests="5"');
  await did(author, "pack", "validate", "--strict", "packs/weather");
  const source = join(author.dir, "packs/weather");
  const first = release(author, "0.1.0");
  edit(join(source, "pack.yaml"), "0.1.0", "0.2.0");
  edit(join(source, "actions/greet.sh"), "Hello", "Good day");
  const broken = await author.cli("pack", "test", "packs/weather");
  expect([broken.code, broken.stdout]).toEqual([1, expect.stringContaining("Good day, Ada!")]);
  edit(join(source, "tests/greet.yaml"), "Hello, Ada", "Good day, Ada");
  edit(join(source, "tests/greet.yaml"), "Hello, world", "Good day, world");
  await did(author, "pack", "test", "packs/weather");
  const second = release(author, "0.2.0");
  const index = join(author.scratch, "index.json");
  const publish = (versions: object[]) => writeFileSync(index, JSON.stringify({ packs: [{ name: "weather", versions }] }));
  publish([first]);

  await using operator = makeProject({ env: { ATTUNE_PACK_INDEX: index } });
  await did(operator, "init");
  const daemon = daemonIn(operator);
  daemon.launch();
  await daemon.ready();
  try {
    expect((await did(operator, "pack", "index", "search", "weath")).stdout).toContain("weather");
    await did(operator, "pack", "install", "weather");
    const greets = async () => (await did(operator, "run", "weather.greet", "name=Ada")).stdout;
    expect(await greets()).toContain("Hello, Ada!");
    await did(operator, "pack", "test", "packs/weather");

    publish([first, second]);
    expect((await did(operator, "pack", "update", "weather")).stdout).toMatch(/weather +0\.1\.0 +0\.2\.0/);
    expect(await greets()).toContain("Good day, Ada!");
    expect((await did(operator, "pack", "diff", "weather", "0.1.0")).stdout).toContain("Good day");

    expect((await did(operator, "pack", "rollback", "weather", "0.1.0")).stdout).toContain("weather is at 0.1.0");
    expect(await greets()).toContain("Hello, Ada!");
    await daemon.stop();
    await daemon.restart();
    expect(await greets()).toContain("Hello, Ada!");

    await did(operator, "pack", "uninstall", "weather", "--force");
    expect(existsSync(join(operator.dir, "packs/weather"))).toBe(false);
    expect(readdirSync(join(operator.dir, "packs"))).toEqual(["hello"]);
    await until("it is not served any more", async () => (await operator.cli("run", "weather.greet")).code === 3);
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
});
