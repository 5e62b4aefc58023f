import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PluginState } from "../../src/core/plugins/state.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { saveByRename } from "../support/packs.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(90_000);

const awk = `import { defineRuntime } from "attune";
export default defineRuntime({
  name: "awk", api: 1, extensions: [".awk"],
  launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
});
`;
const packs = {
  "demo/pack.yaml": "ref: demo\nversion: 1.0.0\n",
  "demo/actions/hello.yaml": "ref: demo.hello\nrunner_type: awk\nentry_point: hello.awk\n",
  "demo/actions/hello.awk": 'BEGIN { print "hello " ARGC " " ARGV[1] }\n',
  "demo/triggers/beat.yaml": "ref: demo.beat\n",
  "demo/sensors/beat.yaml": "ref: demo.heart\nrunner_type: awk\nentry_point: beat.awk\ntrigger_types: [demo.beat]\n",
  "demo/sensors/beat.awk": `BEGIN { printf "{\\"trigger\\":\\"demo.beat\\",\\"payload\\":{\\"args\\":%d}}\\n", ARGC; fflush(); system("sleep 1000") }\n`,
  "demo/actions/note.yaml": "ref: demo.note\nentry_point: note.sh\nparameters: { args: { type: integer } }\n",
  "demo/actions/note.sh": '#!/bin/sh\necho "beat $ATTUNE_ACTION_ARGS"\n',
  "demo/rules/beat.yaml":
    'ref: demo.on_beat\ntrigger_ref: demo.beat\naction_ref: demo.note\naction_params: { args: "{{ event.payload.args }}" }\n',
};

const save = (daemon: TestDaemon, file: string, text: string) => saveByRename(join(daemon.dir, file), text);
const plugin = (daemon: TestDaemon, name: string) => daemon.get<PluginState>(`/plugins/${name}`);
const output = async (daemon: TestDaemon) => (await daemon.cli("run", "demo.hello")).stdout;
const sensor = (daemon: TestDaemon) =>
  daemon.get<{ status: string; pid: number | null; reason: string | null }>("/sensors/demo.heart");

test("a runtime is one file: dropped, edited, broken, fixed, removed and brought back beside a running daemon", async () => {
  await using daemon = await startDaemon({ packs });
  await until(
    "the sensor is unavailable",
    async () => (await sensor(daemon)).reason === "runtime unavailable: nothing provides awk",
  );
  expect((await daemon.cli("run", "demo.hello")).stderr).toContain("runtime unavailable: nothing provides awk");

  save(daemon, "plugins/awk.ts", awk);
  await until("the action runs", async () => (await output(daemon)) === "hello 1 \n");
  const beats = () => daemon.get<{ result: { stdout?: string } }[]>("/executions?rule_ref=demo.on_beat&status=completed");
  await until("the sensor emits", async () => (await beats()).some(({ result }) => result.stdout === "beat 1\n"));
  expect(await plugin(daemon, "awk")).toMatchObject({
    kind: "runtime",
    source: "file",
    file: join(daemon.dir, "plugins/awk.ts"),
    status: "active",
    error: null,
    runtime: "local.awk",
  });
  expect((await daemon.get<{ source: string }>("/runtimes/local.awk")).source).toBe("plugins/awk.ts");

  const second = awk.replace("entrypoint]", 'entrypoint, "second"]');
  const { pid } = await sensor(daemon);
  save(daemon, "plugins/awk.ts", second);
  await until("the action is launched otherwise", async () => (await output(daemon)) === "hello 2 second\n");
  await until("the sensor is, too", async () => (await beats()).some(({ result }) => result.stdout === "beat 2\n"));
  expect((await sensor(daemon)).pid).not.toBe(pid);

  const mistakes: [what: string, text: string, message: string, line: number, column: number, hint: string | null][] = [
    ["syntax", second.replace("api: 1,", "api: = 1,"), "Unexpected =", 3, 21, null],
    [
      "import",
      `import "./nothing.ts";\n${second}`,
      'Could not resolve: "./nothing.ts"',
      1,
      8,
      "install it beside the file, or write the path with ./",
    ],
    ["throw", second.replace("export", 'throw new Error("no way");\nexport'), "it failed while loading: no way", 2, 11, null],
    [
      "hook",
      second.replace("api: 1,", 'api: 1, hooks: { "event:acepted"() {} },'),
      "there is no hook `event:acepted`",
      3,
      33,
      "did you mean event:accepted?",
    ],
    ["member", second.replace("extensions", "extentions"), "unknown member `extentions`", 3, 24, "did you mean extensions?"],
    ["shape", second.replace('[".awk"]', '".awk"'), '`extensions` must be a list of texts, not ".awk"', 3, 24, null],
    [
      "version",
      second.replace("api: 1", "api: 2"),
      "`api` is 2",
      3,
      16,
      "write api: 1, the version of the contract that this attune knows",
    ],
    [
      "name",
      second.replace('"awk", api', '"Awk!", api'),
      '`name` is "Awk!"',
      3,
      3,
      "lower case letters, digits, - and _, at most 64, the first a letter",
    ],
    [
      "taken",
      second.replace('"awk", api', '"shell", api'),
      "the name shell is taken by plugin shell (built-in)",
      3,
      9,
      "give it another name or alias",
    ],
    [
      "exit",
      second.replace("export", "process.exit(3);\nexport"),
      "it ends the process with process.exit, which would end the daemon",
      2,
      9,
      null,
    ],
  ];
  for (const [what, text, message, line, column, hint] of mistakes) {
    save(daemon, "plugins/awk.ts", text);
    const shown = await until(`the mistake is shown: ${what}`, async () => {
      const found = await plugin(daemon, "awk");
      return found.error?.message === message && found;
    }).catch(async (thrown) => {
      throw new Error(`${thrown}\n${JSON.stringify(await plugin(daemon, "awk"))}`);
    });
    expect(shown).toMatchObject({
      status: "last good version",
      error: { file: join(daemon.dir, "plugins/awk.ts"), line, column, hint },
    });
    expect(shown.error?.frame).toContain(`> ${line} | `);
    expect(daemon.log()).toContain(`plugins/awk.ts:${line}:${column}: plugin awk: ${message.replaceAll('"', '\\"')}`);
    expect(await output(daemon)).toBe("hello 2 second\n");
  }
  const told = (text: string) => daemon.log().split(text).length - 1;
  expect(told("it failed while loading: no way")).toBe(1);

  // Also over a restart: what worked last serves, and the mistake is shown.
  save(daemon, "plugins/awk.ts", second.replace("api: 1,", "api: = 1,"));
  await until("the mistake is shown", async () => (await plugin(daemon, "awk")).error?.message === "Unexpected =");
  await daemon.stop();
  await daemon.restart();
  expect(await output(daemon)).toBe("hello 2 second\n");
  await until("it is shown again", async () => (await plugin(daemon, "awk")).status === "last good version");

  save(daemon, "plugins/awk.ts", awk);
  await until("the mistake is gone", async () => (await plugin(daemon, "awk")).status === "active");
  expect(await output(daemon)).toBe("hello 1 \n");

  rmSync(join(daemon.dir, "plugins/awk.ts"));
  await until("the sensor is unavailable", async () => (await sensor(daemon)).status === "unavailable");
  expect(await daemon.cli("run", "demo.hello")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("nothing provides awk"),
  });
  expect(await plugin(daemon, "awk").catch(String)).toContain("404");
  expect(readdirSync(join(daemon.project.dataDir, "plugins"))).toEqual(["good.json"]);

  save(daemon, "plugins/awk.ts", awk);
  await until("the sensor is back", async () => (await sensor(daemon)).status === "running");
  expect(await output(daemon)).toBe("hello 1 \n");
});

test("a plugin that never ends loading, or never answers, is named when the time is up, while the last good version serves", async () => {
  const named = (name: string) => awk.replace('"awk", api', `"${name}", api`).replace('[".awk"]', "[]");
  await using daemon = await startDaemon({
    packs: { ...packs, "demo/actions/hello.yaml": "ref: demo.hello\nrunner_type: hang\nentry_point: hello.awk\n" },
    files: { "plugins/hang.ts": named("hang"), "plugins/silent.ts": named("silent") },
  });
  save(daemon, "plugins/hang.ts", named("hang").replace("export", "for (;;);\nexport"));
  save(daemon, "plugins/silent.ts", named("silent").replace("api: 1,", "api: 1, probe: () => new Promise(() => {}),"));
  const hint = "a loop without end, or a promise that nothing settles";
  const mistakes: [name: string, message: string, line: number, column: number][] = [
    ["hang", "it has not finished loading after 10 s", 1, 1],
    ["silent", "`probe` has not answered after 10 s", 3, 27],
  ];
  for (const [name, message, line, column] of mistakes) {
    await until(`it is named: ${name}`, async () => (await plugin(daemon, name)).error?.message === message, { timeout: 20_000 });
    const file = join(daemon.dir, `plugins/${name}.ts`);
    expect(await plugin(daemon, name)).toMatchObject({ status: "last good version", error: { file, line, column, hint } });
    expect(daemon.log()).toContain(`plugins/${name}.ts:${line}:${column}: plugin ${name}: ${message}`);
  }
  expect(await output(daemon)).toBe("hello 1 \n");
});

test("what a plugin throws where nobody waits for it is logged with its place, and the daemon goes on", async () => {
  const later = `export default {
  kind: "hooks",
  name: "later",
  api: 1,
  hooks: {},
  setup() {
    setTimeout(() => { throw new Error("by a timer"); });
    void Promise.reject(new Error("by a promise"));
  },
};
`;
  await using daemon = await startDaemon({ packs, files: { "plugins/awk.ts": awk, "plugins/later.ts": later } });
  const lines = ["7:34: plugin later: by a timer", "8:29: plugin later: by a promise"];
  await until("both are logged", () => lines.every((line) => daemon.log().includes(`plugins/later.ts:${line}`)));
  expect(await plugin(daemon, "later")).toMatchObject({ status: "active", error: null });
  expect(await output(daemon)).toBe("hello 1 \n");
  expect(await daemon.stop()).toBe(0);
});

test("a helper of a plugin counts, wherever it lies", async () => {
  const helper = (word: string) => `export const word: string = ${JSON.stringify(word)};\n`;
  const main = (from: string) =>
    awk.replace("import", `import { word } from "${from}";\nimport`).replace("entrypoint]", "entrypoint, word]");
  await using daemon = await startDaemon({
    packs,
    files: {
      "plugins/awk/index.ts": main("../../shared/word.ts"),
      "shared/word.ts": helper("far"),
      "plugins/_helper.ts": helper("near"),
    },
  });
  expect(await output(daemon)).toBe("hello 2 far\n");
  // Written in place.
  writeFileSync(join(daemon.dir, "shared/word.ts"), helper("farther"));
  await until("the helper's edit is live", async () => (await output(daemon)) === "hello 2 farther\n");
  save(daemon, "plugins/awk/index.ts", main("../_helper.ts"));
  await until("the other helper is used", async () => (await output(daemon)) === "hello 2 near\n");
  save(daemon, "plugins/_helper.ts", `${helper("thrown")}throw new Error("in the helper");\n`);
  const inHelper = join(daemon.dir, "plugins/_helper.ts");
  await until("the helper is named", async () => (await plugin(daemon, "awk")).error?.file === inHelper);
  expect((await plugin(daemon, "awk")).error).toMatchObject({ line: 2, message: "it failed while loading: in the helper" });
  save(daemon, "plugins/_helper.ts", helper("mended"));
  await until("it is mended", async () => (await output(daemon)) === "hello 2 mended\n");
});

test("plugins come from npm packages, from the config and from trusted packs; from others they are only told of", async () => {
  const named = (name: string, more = "") =>
    `export default { kind: "runtime", name: "${name}", api: 1, ${more} launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint, "${name}"] }) };\n`;
  const action = (word: string) => ({
    [`demo/actions/${word}.yaml`]: `ref: demo.${word}\nrunner_type: ${word}\nentry_point: hello.awk\n`,
  });
  await using daemon = await startDaemon({
    packs: {
      ...packs,
      ...action("packaged"),
      ...action("valued"),
      ...action("lent"),
      "lender/pack.yaml": "ref: lender\nversion: 1.0.0\n",
      "lender/runtimes/lent.ts": named("lent"),
      "lender/runtimes/wrong.ts": 'export default { kind: "hooks", name: "wrong", api: 1, hooks: {} };\n',
      "stranger/pack.yaml": "ref: stranger\nversion: 1.0.0\n",
      "stranger/runtimes/spy.ts": named("spy"),
    },
    files: {
      "node_modules/packaged/package.json": '{ "name": "packaged", "version": "1.0.0", "main": "index.js" }\n',
      "node_modules/packaged/index.js": named("packaged"),
      "values.ts": named("valued"),
      "plugins/first.ts": named("first", 'aliases: ["shared"],'),
      "plugins/second.ts": named("second", 'aliases: ["shared"],'),
      "plugins/box.ts": 'export default { kind: "storage", name: "box", api: 1, open: async () => ({}) };\n',
      "plugins/types.d.ts": "export {};\n",
      "plugins/.hidden.ts": "throw 1;\n",
    },
    config: `import { defineConfig } from "attune";
import valued from "./values.ts";
export default defineConfig({ plugins: { use: ["packaged", valued, "absent"], trustedPacks: ["lender"] } });
`,
  });
  for (const name of ["packaged", "valued", "lent"]) {
    expect((await daemon.cli("run", `demo.${name}`)).stdout).toBe(`hello 2 ${name}\n`);
  }
  const all = await daemon.get<PluginState[]>("/plugins");
  const shown = all.map(({ name, source, status, runtime }) => `${name} ${source}: ${status} ${runtime ?? "-"}`);
  expect(shown).toEqual([
    "shell built-in: active core.shell",
    "python built-in: active core.python",
    "bun built-in: active core.bun",
    "native built-in: active core.native",
    "packaged package: active local.packaged",
    "valued config: active local.valued",
    "absent package: rejected -",
    "box file: not used -",
    "first file: active local.first",
    "second file: rejected -",
    "lent file: active lender.lent",
    "wrong file: rejected -",
    "spy file: not used -",
  ]);
  const errorOf = (name: string) => all.find((one) => one.name === name)?.error;
  expect(errorOf("second")).toMatchObject({
    message: `the name shared is taken by plugin first in ${join(daemon.dir, "plugins/first.ts")}`,
    file: join(daemon.dir, "plugins/second.ts"),
    line: 1,
  });
  expect(errorOf("wrong")?.message).toBe("a pack may bring runtimes only, and this is of kind hooks");
  expect(errorOf("absent")?.hint).toBe("npm install absent, or take it out of plugins.use");
  expect(all.find((one) => one.name === "box")?.note).toContain("is opened when the daemon starts");
  expect(daemon.log()).toContain("packs/stranger/runtimes/spy.ts: not loaded, since the pack stranger is not trusted");

  // What was held back by a name comes when the name is free.
  rmSync(join(daemon.dir, "plugins/first.ts"));
  await until("the second one serves", async () => (await plugin(daemon, "second")).status === "active");
});

test("hooks: their order, and one that throws, hangs, returns nothing or blocks is named and hurts nobody else", async () => {
  const hooks = (name: string, body: string) =>
    `import { definePlugin } from "attune";\nexport default definePlugin({\n  kind: "hooks", name: "${name}", api: 1,\n  hooks: {\n${body}\n  },\n});\n`;
  const adds = (word: string) =>
    `    "process:launch": (launch) => ({ ...launch, env: { ...launch.env, ORDER: (launch.env?.ORDER ?? "") + "${word}" } }),`;
  await using daemon = await startDaemon({
    packs: {
      "p/pack.yaml": "ref: p\nversion: 1.0.0\n",
      "p/actions/order.yaml": "ref: p.order\nentry_point: order.sh\n",
      "p/actions/order.sh": '#!/bin/sh\necho "[$ORDER]"\n',
    },
    files: { "plugins/b.ts": hooks("b", adds("b")) },
  });
  const order = async () => (await daemon.cli("run", "p.order")).stdout;
  expect(await order()).toBe("[b]\n");
  save(daemon, "plugins/a.ts", hooks("a", adds("a")));
  await until("the first by name comes first, though it came last", async () => (await order()) === "[ab]\n");

  const file = join(daemon.dir, "plugins/a.ts");
  const fails = async (body: string, message: string) => {
    save(daemon, "plugins/a.ts", hooks("a", body));
    await until(message, async () => (await daemon.cli("run", "p.order")).stderr.includes(`${file}:${message}`), {
      timeout: 30_000,
    });
  };
  await fails(
    '    "process:launch": () => {\n      throw new Error("no");\n    },',
    "6:17: hook process:launch of plugin a failed: no",
  );
  await fails(
    '    "process:launch"(launch) {\n      launch.argv;\n    },',
    "5:5: hook process:launch of plugin a returned nothing",
  );
  await fails(
    '    "process:launch": () => new Promise(() => {}),',
    "5:5: hook process:launch of plugin a failed: no answer within 5000 ms",
  );
  // The daemon stands still while it runs, once; the thread beside it says why.
  const blocks = '    "execution:state"() { for (end ||= Date.now() + 8_000; Date.now() < end; ); },';
  save(daemon, "plugins/a.ts", `let end = 0;\n${hooks("a", blocks)}`);
  await until("it is in force", async () => (await plugin(daemon, "a")).hooks[0] === "execution:state");
  await daemon.cli("run", "p.order");
  expect(daemon.log()).toMatch(/attune: hook execution:state of plugin a blocks the daemon/);
  rmSync(file);
  await until("it is gone", async () => (await order()) === "[b]\n");
});

test("a transport of the user's is a plugin file that the config imports", async () => {
  const transport = `import { definePlugin } from "attune";
export default definePlugin({
  kind: "transport", name: "mine", api: 1,
  async open() {
    let handle;
    return {
      description: "mine",
      publish: async (event) => { await handle([event]); },
      subscribe: async (given) => { handle = given; return { async [Symbol.asyncDispose]() {} }; },
    };
  },
});
`;
  await using daemon = await startDaemon({
    packs,
    files: { "plugins/mine.ts": transport },
    config: 'import mine from "./plugins/mine.ts";\nexport default { transport: mine };\n',
  });
  expect(await plugin(daemon, "mine")).toMatchObject({ kind: "transport", status: "active", note: null });
  expect((await daemon.cli("trigger", "emit", "demo.beat", "args:=7")).code).toBe(0);
  await until("the event came through", async () => {
    const done = await daemon.get<{ result: { stdout?: string } }[]>("/executions?rule_ref=demo.on_beat&status=completed");
    return done[0]?.result.stdout === "beat 7\n";
  });
  expect(readFileSync(join(daemon.project.scratch, "daemon.log"), "utf8")).toContain('"events":"mine"');
});
