import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { freePort, startPostgres } from "../support/postgres.ts";
import { makeProject, type Output, type Project, type ProjectOptions } from "../support/project.ts";

setDefaultTimeout(60_000);

/** Starts a daemon that must not come up, and gives what it said. */
async function refused(options: ProjectOptions): Promise<Output & { ms: number }> {
  await using project = makeProject(options);
  return await refusedIn(project);
}

async function refusedIn(project: Project, env: Readonly<Record<string, string>> = {}): Promise<Output & { ms: number }> {
  const began = performance.now();
  const output = await project.cliWith({ env }, "daemon");
  return { ...output, ms: performance.now() - began };
}

/** One error for the operator, and no stack. */
function expectOneClearError(output: Output, ...words: (string | RegExp)[]): void {
  expect(output.code).toBe(1);
  const errors = output.stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toHaveLength(1);
  for (const word of words) expect(output.stderr).toMatch(word);
  expect(output.stdout + output.stderr).not.toMatch(/^\s+at /m);
}

test("a second daemon on the data directory ends within a second and names the first", async () => {
  await using daemon = await startDaemon();
  const second = await refusedIn(daemon.project);
  expectOneClearError(second, `pid ${daemon.pid}`, daemon.project.dataDir);
  expect(second.ms).toBeLessThan(1_000);
  expect(await daemon.get<object>("/status")).toMatchObject({ pid: daemon.pid, ready: true });
});

test("a second daemon on the database ends and names the first; a killed one's successor takes it over at once", async () => {
  const postgres = await startPostgres();
  try {
    const env = { DATABASE_URL: await postgres.createDatabase() };
    await using daemon = await startDaemon({ env });
    await using other = makeProject({ env });
    expectOneClearError(await refusedIn(other), `pid ${daemon.pid}`);
    expect(other.processes()).toEqual([]);
    expect(await daemon.get<object>("/status")).toMatchObject({ ready: true });

    await daemon.kill9();
    expectOneClearError(await refusedIn(other), `pid ${daemon.pid}`, /lease ends in \d+ s/);
    await daemon.restart();
  } finally {
    await postgres.stop();
  }
});

test("a configured port that is taken", async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address && typeof address === "object") resolve(address.port);
      else reject(new Error("no port"));
    });
  });
  try {
    expectOneClearError(await refused({ env: { ATTUNE_API_PORT: String(port) } }), String(port));
    expectOneClearError(
      await refused({ env: { ATTUNE_API_PORT: undefined }, config: `export default { api: { port: ${port} } };\n` }),
      String(port),
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("a database that does not answer, wants another password, or does not exist", async () => {
  const port = await freePort();
  const url = `postgres://someone:hunter2@127.0.0.1:${port}/attune`;
  const unreachable = await refused({ env: { DATABASE_URL: url } });
  expectOneClearError(unreachable, `127.0.0.1:${port}`);
  expect(unreachable.stdout + unreachable.stderr).not.toContain("hunter2");

  const postgres = await startPostgres();
  try {
    const wrong = new URL(postgres.url);
    wrong.password = "hunter2";
    const denied = await refused({ env: { DATABASE_URL: wrong.href } });
    expectOneClearError(denied, wrong.host);
    expect(denied.stdout + denied.stderr).not.toContain("hunter2");
    const missing = new URL(postgres.url);
    missing.pathname = "/nothing_here";
    expectOneClearError(await refused({ env: { DATABASE_URL: missing.href } }), "nothing_here");
  } finally {
    await postgres.stop();
  }
});

test("a NATS that does not answer", async () => {
  const port = await freePort();
  expectOneClearError(await refused({ env: { NATS_URL: `nats://me:hunter2@127.0.0.1:${port}` } }), `127.0.0.1:${port}`);
});

test("a directory that can't be written", async () => {
  const as = process.geteuid?.() === 0 ? { as: { uid: 65534, gid: 65534 } } : {};
  await using project = makeProject(as);
  chmodSync(project.dir, 0o555);
  expectOneClearError(await refusedIn(project), project.dataDir);
  chmodSync(project.dir, 0o755);
  writeFileSync(join(project.scratch, "file"), "");
  expectOneClearError(await refusedIn(project, { ATTUNE_DATA_DIR: join(project.scratch, "file") }), "file");
  expect(existsSync(project.dataDir)).toBe(false);
});

test.each([
  ["a syntax error", "export default {\n  log: {},\n  api: { port: ; },\n};\n", /attune\.config\.ts:3:16: /],
  [
    "an unknown key",
    'import { defineConfig } from "attune";\nexport default defineConfig({ pakcs: {} } as never);\n',
    "did you mean packs?",
  ],
  ["no default export", "export const other = {};\n", "no default export"],
  ["an error while loading", 'throw new Error("not today");\nexport default {};\n', "not today"],
  ["a value out of range", "export default { api: { port: 70000 } };\n", "api.port must be"],
] as const)("a configuration with %s", async (_, config, says) => {
  expectOneClearError(await refused({ config, env: { ATTUNE_API_PORT: undefined } }), "attune.config.ts", says);
});
