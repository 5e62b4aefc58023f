import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pluginKinds, pluginTemplates } from "../../src/cli/plugin-templates.ts";
import { repository, runCommand } from "../support/script.ts";
import { terminal } from "../support/terminal.ts";

// In a run from source the types are made by tsc first, which takes seconds.
setDefaultTimeout(60_000);

/** An empty project with what `attune init` and `attune plugin create` write, and nothing installed. */
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "attune-types-"));
  expect((await terminal({ cwd: dir }).run(["init"])).code).toBe(0);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const awk = `import { defineRuntime } from "attune";
export default defineRuntime({
  name: "awk", api: 1, extensions: [".awk"],
  launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
});
`;
const good: Readonly<Record<string, string>> = {
  "awk.ts": awk,
  "own-tests.ts": `import { nats } from "attune";
import { type Case, transportContract } from "attune/testing";
export const cases: readonly Case[] = transportContract(nats().open, { formsBatches: true });
`,
  "surroundings.ts": `import { readFileSync } from "node:fs";
import { AttuneError, definePlugin, nats, type Transport } from "attune";
const text: string | undefined = process.env["TEXT"];
export const opened: Promise<Transport> | undefined = undefined;
export default definePlugin({
  kind: "transport", name: "mine", api: 1,
  async open(context) {
    if (Bun.which("nats-server") === null) throw new AttuneError("TRANSPORT_UNAVAILABLE", text ?? "none", { retryable: true });
    context.log.info(String(readFileSync(import.meta.dir)));
    return nats({ managed: true }).open(context);
  },
});
`,
};

const hooks = (text: string) =>
  `import { definePlugin } from "attune";\nexport default definePlugin({ kind: "hooks", name: "x", api: 1, hooks: {\n${text}\n} });\n`;
const runtime = (text: string) =>
  `import { defineRuntime } from "attune";\nexport default defineRuntime({ name: "x", api: 1,\n${text}\n});\n`;
/** Each with what the compiler says of its third line. */
const bad: Readonly<Record<string, readonly [text: string, says: string]>> = {
  "misspelt-hook.ts": [hooks(`"event:acept": () => null`), `'"event:acept"' does not exist`],
  "misspelt-member.ts": [runtime(`extension: [".x"], launch: () => ({ argv: ["x"] })`), "mean to write 'extensions'"],
  "empty-argv.ts": [runtime("launch: () => ({ argv: [] })"), "'[]' is not assignable"],
  "silent-filter.ts": [hooks(`"event:accept"(event) { console.log(event.id); }`), "'void' is not assignable"],
  "sometimes-silent-filter.ts": [
    hooks(`"event:accept"(event) { if (event.rule) return; return event; }`),
    "'undefined' is not assignable",
  ],
  "observer-as-filter.ts": [hooks(`"event:accepted": (event) => event`), "is not assignable to type 'Awaitable<void>'"],
  "misspelt-field.ts": [hooks(`"execution:state"(change) { console.log(change.exitcode); }`), "mean 'exitCode'"],
};

const compile = (project: string) =>
  runCommand([process.execPath, join(repository, "node_modules/typescript/bin/tsc"), "-p", project]);
const nothing = { code: 0, stdout: "", stderr: "" };

test("what is right passes with nothing installed: the examples, the docs, new plugins of each kind, the config", async () => {
  const plugins = join(dir, "plugins");
  for (const [name, text] of Object.entries(good)) writeFileSync(join(plugins, name), text);
  for (const kind of pluginKinds) writeFileSync(join(plugins, `new-${kind}.ts`), pluginTemplates[kind]("mine"));
  const examples = join(repository, "examples/plugins");
  expect(readdirSync(examples).filter((file) => file.endsWith(".ts"))).toHaveLength(3);
  cpSync(examples, plugins, { recursive: true });
  const page = readFileSync(join(repository, "docs/plugins.md"), "utf8");
  for (const [i, [, text = ""]] of [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].entries()) {
    const path = /^\/\/ ([\w./-]+)\n/.exec(text)?.[1] ?? `block-${i}.ts`;
    await Bun.write(join(dir, "docs", path), text);
  }
  writeFileSync(
    join(dir, "tsconfig.json"),
    readFileSync(join(dir, "tsconfig.json"), "utf8").replace('"packs"', '"packs", "docs"'),
  );
  expect(await compile(plugins)).toEqual(nothing);
  expect(await compile(dir)).toEqual(nothing);
});

test("what is wrong is an error at its place", async () => {
  const project = join(dir, "bad");
  cpSync(join(dir, "plugins/attune.d.ts"), join(project, "attune.d.ts"));
  cpSync(join(dir, "plugins/tsconfig.json"), join(project, "tsconfig.json"));
  for (const [name, [text]] of Object.entries(bad)) writeFileSync(join(project, name), text);
  const { stdout } = await compile(project);
  const reports = stdout.split(/\n(?=\S)/);
  for (const [name, [, says]] of Object.entries(bad)) {
    const report = reports.find((text) => text.includes(name)) ?? "nothing";
    expect([name, report]).toEqual([name, expect.stringMatching(/\(3,\d+\): error /)]);
    expect(report).toContain(says);
  }
});

test("the types are right in themselves", async () => {
  const project = join(dir, "strict");
  cpSync(join(dir, "plugins/attune.d.ts"), join(project, "attune.d.ts"));
  const strict = readFileSync(join(dir, "plugins/tsconfig.json"), "utf8").replace(
    '"skipLibCheck": true',
    '"skipLibCheck": false',
  );
  writeFileSync(join(project, "tsconfig.json"), strict);
  expect(strict).toContain("false");
  expect(await compile(project)).toEqual(nothing);
});
