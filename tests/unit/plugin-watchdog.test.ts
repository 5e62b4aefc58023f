import { expect, test } from "bun:test";
import { join } from "node:path";
import { tempDir, writePack } from "../support/packs.ts";
import { repository, runCommand } from "../support/script.ts";

const run = async (body: string) => {
  using dir = tempDir("watchdog");
  writePack(dir.path, {
    "main.ts": `import { silentLogger } from "${repository}/src/core/log.ts";
import { createWatchdog } from "${repository}/src/core/plugins/watchdog.ts";
import { createScope } from "${repository}/src/core/scope.ts";
const scope = createScope("test", silentLogger);
const watchdog = createWatchdog(scope, 400);
const block = (ms: number) => { for (const end = Date.now() + ms; Date.now() < end; ); };
${body}
await scope.end();
`,
  });
  return await runCommand([process.execPath, join(dir.path, "main.ts")]);
};

test("what blocks is named once, while it does", async () => {
  const { code, stderr } = await run(`watchdog.start();
// Until the thread has seen a sign of life.
await Bun.sleep(1_500);
watchdog.calling("hook event:accept of plugin p");
block(2_000);
watchdog.calling(null);
await Bun.sleep(100);
block(1_000);`);
  expect(code).toBe(0);
  expect(stderr.trim().split("\n")).toEqual([
    expect.stringMatching(/^attune: hook event:accept of plugin p blocks the daemon, for \d s by now: it does not return$/),
  ]);
});

test("nothing is watched before it is started, and its thread keeps no process alive", async () => {
  expect(await run('watchdog.calling("x");\nblock(1_000);\nwatchdog.start();')).toMatchObject({ code: 0, stderr: "" });
});
