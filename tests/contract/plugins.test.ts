import { expect, setDefaultTimeout, test } from "bun:test";
import { chownSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createHooks } from "../../src/core/hooks.ts";
import { silentLogger } from "../../src/core/log.ts";
import { provideSdk } from "../../src/core/modules.ts";
import type { EventMessage } from "../../src/core/plugin.ts";
import { openPlugins, type Plugins, type PluginsOptions } from "../../src/core/plugins/manager.ts";
import { createWatchdog } from "../../src/core/plugins/watchdog.ts";
import { type ChildSpec, startChild } from "../../src/core/processes/child.ts";
import { createScope } from "../../src/core/scope.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { repository } from "../support/script.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const runtime = (name: string, more = "") =>
  `export default { kind: "runtime", name: "${name}", api: 1, ${more} launch: () => ({ argv: ["${name}"] }) };\n`;

const trialIn = (cwd: string): PluginsOptions["trial"] => ({
  command: [process.execPath, join(repository, "src/main.ts")],
  start: (spec) => startChild(spec),
  env: { PATH: "/usr/bin:/bin" },
  cwd,
});

/** Plugins in a directory, refreshed by the test. */
async function project(files: Record<string, string>, more: Partial<PluginsOptions> = {}) {
  provideSdk({}, async () => ({}));
  const dir = tempDir("plugins");
  writePack(dir.path, files);
  const start = async () => {
    const scope = createScope("test", silentLogger);
    const hooks = createHooks(silentLogger);
    const served: string[][] = [];
    const plugins = await openPlugins({
      builtin: [],
      use: [],
      directories: [join(dir.path, "plugins")],
      trustedPacks: [],
      projectDir: dir.path,
      dataDir: join(dir.path, "data"),
      configFile: null,
      packs: async () => [],
      opened: [],
      trial: trialIn(dir.path),
      hooks,
      watchdog: createWatchdog(scope),
      scope,
      log: silentLogger,
      ...more,
    });
    plugins.serve(async (runtimes) => void served.push(runtimes.map((one) => one.ref)));
    return { plugins, hooks, served, scope };
  };
  const first = await start();
  const write = (path: string, text: string) => writePack(dir.path, { [path]: text });
  return {
    ...first,
    dir: dir.path,
    write,
    start,
    async [Symbol.asyncDispose]() {
      await first.scope.end();
      dir[Symbol.dispose]();
    },
  };
}
const states = (plugins: Plugins) => plugins.states().map(({ name, status }) => `${name}: ${status}`);
/** Refreshes until it is so: bad news is believed after a while only. */
async function becomes(plugins: Plugins, ...wanted: string[]) {
  await until(`${wanted}`, async () => {
    await plugins.refresh();
    return Bun.deepEquals(states(plugins), wanted);
  }).catch((thrown) => {
    throw new Error(`${thrown}: ${states(plugins)}`);
  });
}

test("a setup that fails keeps the version before, and its scope ends when the next takes over", async () => {
  const marks: string[] = [];
  Object.assign(globalThis, { pluginMarks: marks });
  const version = (word: string, more = "") =>
    runtime(
      "a",
      `setup({ scope }) { pluginMarks.push("${word} begins"); scope.defer(() => void pluginMarks.push("${word} ends")); ${more} },`,
    );
  await using live = await project({ "plugins/a.ts": version("one") });
  expect(states(live.plugins)).toEqual(["a: active"]);
  live.write("plugins/a.ts", version("two", 'throw new Error("no");'));
  await becomes(live.plugins, "a: last good version");
  expect(live.plugins.states()[0]?.error).toMatchObject({ message: "no", line: 1 });
  live.write("plugins/a.ts", version("three"));
  await becomes(live.plugins, "a: active");
  expect(marks).toEqual(["one begins", "two begins", "two ends", "three begins", "one ends"]);
  await live.scope.end();
  expect(marks.at(-1)).toBe("three ends");
});

test("the order of hooks is that of the config and then of the files, whatever came first", async () => {
  const adds = (word: string) =>
    `hooks: { "event:accept": (event) => ({ ...event, payload: { order: (event.payload.order ?? "") + "${word}" } }) }`;
  const file = (word: string) => `export default { kind: "hooks", name: "${word}", api: 1, ${adds(word)} };\n`;
  const value = {
    kind: "hooks",
    name: "z",
    api: 1,
    hooks: { "event:accept": (event: EventMessage) => ({ ...event, payload: { order: "z" } }) },
  } as const;
  await using live = await project({ "plugins/c.ts": file("c") }, { use: [value] });
  live.write("plugins/a.ts", file("a"));
  await live.plugins.refresh();
  live.write("plugins/b/index.ts", file("b"));
  await live.plugins.refresh();
  const event = { id: "1", trigger: "p.t", sensor: null, rule: null, at: "", payload: {} };
  expect((await live.hooks.filter("event:accept", event))?.payload).toEqual({ order: "zabc" });
});

test("a start with a broken file serves what worked last; without the file nothing of it is left", async () => {
  await using live = await project({ "plugins/a.ts": runtime("a", 'description: "first",') });
  await live.scope.end();
  live.write("plugins/a.ts", "export default {\n");
  const again = await live.start();
  expect(again.plugins.runtimes.map((one) => one.description)).toEqual(["first"]);
  await becomes(again.plugins, "a: last good version");
  await again.scope.end();
  rmSync(join(live.dir, "plugins/a.ts"));
  const third = await live.start();
  expect(third.plugins.states()).toEqual([]);
  await third.scope.end();
  const fourth = await live.start();
  expect(readdirSync(join(live.dir, "data/plugins"))).toEqual(["good.json"]);
  await fourth.scope.end();
});

test("a plugin that needs long at the start comes later, and the others do not wait for it", async () => {
  await using live = await project({
    "plugins/quick.ts": runtime("quick"),
    "plugins/slow.ts": `await Bun.sleep(2_500);\n${runtime("slow")}`,
  });
  expect(live.plugins.runtimes.map((one) => one.ref)).toEqual(["local.quick"]);
  await until("the slow one serves", () => live.served.at(-1)?.includes("local.slow"), { timeout: 30_000 });
});

test("a trial that hangs ends when the file is saved again", async () => {
  let begun = Promise.withResolvers<void>();
  const trial = {
    ...trialIn(repository),
    // Longer than the test waits.
    timeLimit: 300_000,
    start(spec: ChildSpec) {
      begun.resolve();
      return startChild(spec);
    },
  };
  await using live = await project({ "plugins/a.ts": runtime("a") }, { trial });
  begun = Promise.withResolvers();
  live.write("plugins/a.ts", `for (;;);\n${runtime("a")}`);
  const looking = live.plugins.refresh();
  await begun.promise;
  live.write("plugins/a.ts", runtime("b"));
  await becomes(live.plugins, "b: active");
  await looking;
  expect(live.plugins.states()[0]?.error).toBeNull();
});

test("many edits leave one bundle", async () => {
  await using live = await project({ "plugins/a.ts": runtime("a") });
  for (let i = 0; i < 5; i++) {
    live.write("plugins/a.ts", runtime("a", `description: "${i}",`));
    await until("it serves", async () => {
      await live.plugins.refresh();
      return live.plugins.runtimes[0]?.description === String(i);
    });
    live.write("plugins/a.ts", `throw new Error("${i}");\n`);
    await becomes(live.plugins, "a: last good version");
  }
  expect(readdirSync(join(live.dir, "data/plugins")).length).toBe(2);
});

test.skipIf(process.getuid?.() !== 0)("as root, a plugin is refused of which others own a helper", async () => {
  await using live = await project({
    "plugins/a.ts": `import "./lib/b.ts";\n${runtime("a")}`,
    "plugins/lib/b.ts": "export {};\n",
  });
  expect(states(live.plugins)).toEqual(["a: active"]);
  const helper = join(live.dir, "plugins/lib/b.ts");
  writeFileSync(helper, "export const other = 1;\n");
  chownSync(helper, 65_534, 65_534);
  await becomes(live.plugins, "a: last good version");
  expect(live.plugins.states()[0]?.error).toMatchObject({ file: helper, hint: `chown root ${helper} && chmod go-w ${helper}` });
});

test("a name, an alias and a file ending belong to the one that came first, until it goes", async () => {
  await using live = await project({
    "plugins/a.ts": runtime("a", 'aliases: ["Shared"], extensions: [".one"],'),
    "plugins/b.ts": runtime("shared"),
    "plugins/c.ts": runtime("c", 'extensions: ["ONE"],'),
    "plugins/d.ts": 'export default { kind: "hooks", name: "a", api: 1, hooks: {} };\n',
  });
  const first = join(live.dir, "plugins/a.ts");
  const told = () => live.plugins.states().map(({ error }) => error?.message ?? null);
  await becomes(live.plugins, "a: active", "b: rejected", "c: rejected", "d: rejected");
  expect(told()).toEqual([
    null,
    `the name shared is taken by plugin a in ${first}`,
    `the file ending .one is taken by plugin a in ${first}`,
    `the name a is taken by plugin a in ${first}`,
  ]);
  rmSync(first);
  await becomes(live.plugins, "shared: active", "c: active", "a: active");
});

test("at the start the order of the files decides, and not which of them is tried sooner", async () => {
  await using live = await project({
    "plugins/a.ts": `await Bun.sleep(1_000);\n${runtime("a", 'aliases: ["shared"],')}`,
    "plugins/b.ts": runtime("b", 'aliases: ["shared"],'),
  });
  expect(states(live.plugins)).toEqual(["a: active", "b: rejected"]);
  expect(live.plugins.runtimes.map((one) => one.ref)).toEqual(["local.a"]);
});
