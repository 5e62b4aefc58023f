import { expect, test } from "bun:test";
import { join } from "node:path";
import { bundleModule, storeBundle } from "../../src/core/modules.ts";
import { type TrialOptions, type Tried, tryPlugin } from "../../src/core/plugins/trial.ts";
import { startChild } from "../../src/core/processes/child.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { repository } from "../support/script.ts";

const options: TrialOptions = {
  command: [process.execPath, join(repository, "src/main.ts")],
  start: startChild,
  env: { PATH: "/usr/bin:/bin", FROM_DAEMON: "yes" },
  cwd: repository,
  signal: new AbortController().signal,
};

async function tryText(text: string, more: Partial<TrialOptions> = {}) {
  using dir = tempDir("trial");
  writePack(dir.path, { "awk.ts": text });
  const inputs = new Set<string>();
  const file = join(dir.path, "awk.ts");
  const tried: Tried = {
    file,
    bundle: await storeBundle(file, await bundleModule(file, "PLUGIN_INVALID", inputs), dir.path),
    inputs,
  };
  return await tryPlugin({ ...options, ...more }, tried);
}
const awk = (more = "", before = "") =>
  `${before}export default { kind: "runtime", name: "awk", api: 1, ${more} launch: () => ({ argv: ["awk"] }) };\n`;

test("a good plugin says what it is, whatever it prints, and sees the daemon's environment", async () => {
  const noise = 'console.log("{\\"passed\\":{}}"); process.stdout.write("no end of line");\n';
  const told = await tryText(awk('hooks: { "daemon:ready"() {} }, probe() { throw new Error("not here"); },', noise));
  expect(told).toEqual({ facts: { kind: "runtime", name: "awk", hooks: ["daemon:ready"] } });
  const needs = 'if (process.env.FROM_DAEMON !== "yes") throw new Error("no environment");\n';
  expect(await tryText(awk("", needs))).toHaveProperty("facts");
  expect(await tryText(`import { defineRuntime, nats } from "attune";\nnats;\n${awk()}`)).toHaveProperty("facts");
});

test.each<[what: string, text: string, message: RegExp, line: number | null]>([
  ["throws", awk("", 'throw new TypeError("no");\n'), /^it failed while loading: no$/, 1],
  ["exits and hides it", awk("", "try {\n  process.exit(0);\n} catch {}\n"), /^it ends the process with process\.exit/, 2],
  [
    "is killed",
    awk("", 'process.kill(process.pid, "SIGKILL");\nawait Bun.sleep(5_000);\n'),
    /^it ended the process it was tried in \(SIGKILL\)$/,
    null,
  ],
  ["has no default export", "export const x = 1;\n", /^there is no default export$/, null],
  ["imports what attune lacks", `import { nothing } from "attune";\n${awk("", "nothing;\n")}`, /nothing/, null],
])("a plugin that %s is told of", async (_, text, message, line) => {
  const tried = await tryText(text);
  if (!("mistake" in tried)) throw new Error("it passed");
  expect(tried.mistake.message).toMatch(message);
  expect(tried.mistake.line).toBe(line);
});

test("a loop, and a probe that never answers, are ended after the time limit", async () => {
  const [looping, hanging] = await Promise.all([
    tryText(awk("", "for (;;);\n"), { timeLimit: 1_500 }),
    tryText(awk("probe: () => new Promise(() => {}),"), { timeLimit: 1_500 }),
  ]);
  expect(looping).toMatchObject({ mistake: { message: "it has not finished loading after 1.5 s", line: 1, column: 1 } });
  expect(hanging).toMatchObject({ mistake: { message: "`probe` has not answered after 1.5 s", line: 1, column: 56 } });
});

test("a trial ends with the daemon", async () => {
  const stop = new AbortController();
  const trial = tryText(awk("", "for (;;);\n"), {
    signal: stop.signal,
    start: (spec) => {
      const child = startChild(spec);
      queueMicrotask(() => stop.abort());
      return child;
    },
  });
  expect(await trial).toMatchObject({ mistake: { message: "it ended the process it was tried in (SIGKILL)" } });
});
