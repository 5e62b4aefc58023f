import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { backendEnv, type Servers, startServers } from "../support/backends.ts";
import { daemonIn, type TestDaemon } from "../support/daemon.ts";
import { effectsFile, loadPack, noFaults, settleAndCount } from "../support/load.ts";
import { makeProject } from "../support/project.ts";
import { runningProcesses } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

const rounds = 2;

let servers: Servers;
beforeEach(async () => {
  servers = await startServers();
});
afterEach(async () => {
  await servers[Symbol.asyncDispose]();
});

async function startUnderLoad(env: Record<string, string>): Promise<{ daemon: TestDaemon; effects: string }> {
  const project = makeProject({ env });
  const effects = effectsFile(project);
  project.writePacks(loadPack({ perSecond: 100, effects }));
  const daemon = daemonIn(project);
  await daemon.restart();
  return { daemon, effects };
}

const completedCount = async (daemon: TestDaemon) => {
  const response = await fetch(`${daemon.url}/api/v1/executions?status=completed&page_size=1`, {
    headers: { Authorization: `Bearer ${daemon.token}` },
  });
  return ((await response.json()) as { pagination: { total_items: number } }).pagination.total_items;
};

/** A server is away for a random while, several times; work goes on after each. */
async function outages(daemon: TestDaemon, kill: () => Promise<void>, back: () => Promise<void>): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const before = await completedCount(daemon);
    await until("work goes on", async () => (await completedCount(daemon)) > before + 20, { timeout: 30_000 });
    await kill();
    await Bun.sleep(Math.random() * 2_000);
    await back();
  }
}

async function expectNothingLost(daemon: TestDaemon, effects: string): Promise<void> {
  const report = await settleAndCount(daemon, effects);
  expect(report.faults).toEqual(noFaults);
  expect(report.completed).toBeGreaterThan(20);
  // The daemon lived through it, so it knows how everything ended.
  expect(report.abandoned).toBe(0);
  expect(await daemon.stop()).toBe(0);
}

test("kill -9 of NATS under load", async () => {
  const { daemon: started, effects } = await startUnderLoad(await backendEnv(servers));
  await using daemon = started;
  await outages(daemon, servers.nats.kill9, servers.nats.restart);
  await expectNothingLost(daemon, effects);
});

test("NATS away: events are handled without it", async () => {
  const { daemon: started, effects } = await startUnderLoad(await backendEnv(servers));
  await using daemon = started;
  await servers.nats.kill9();
  const before = await completedCount(daemon);
  await until("events are handled meanwhile", async () => (await completedCount(daemon)) > before + 20);
  await servers.nats.restart();
  await expectNothingLost(daemon, effects);
});

test("kill -9 of the external PostgreSQL under load", async () => {
  const { daemon: started, effects } = await startUnderLoad({ DATABASE_URL: await servers.postgres.createDatabase() });
  await using daemon = started;
  await outages(daemon, servers.postgres.kill9, servers.postgres.restart);
  await expectNothingLost(daemon, effects);
});

test("kill -9 of the external PostgreSQL under load, events by NATS", async () => {
  const { daemon: started, effects } = await startUnderLoad(await backendEnv(servers));
  await using daemon = started;
  await outages(daemon, servers.postgres.kill9, servers.postgres.restart);
  await expectNothingLost(daemon, effects);
});

test("kill -9 of the daemon as soon as the database is back", async () => {
  const { daemon: started, effects } = await startUnderLoad({ DATABASE_URL: await servers.postgres.createDatabase() });
  await using daemon = started;
  for (let round = 0; round < 2 * rounds; round++) {
    const before = await completedCount(daemon);
    await servers.postgres.kill9();
    // Long enough for many events to have failed several times each.
    await Bun.sleep(500 + Math.random() * 1_000);
    await servers.postgres.restart();
    await until("events are handled again", async () => (await completedCount(daemon)) > before + 5, { timeout: 30_000 });
    await daemon.kill9();
    await daemon.restart();
  }
  expect((await settleAndCount(daemon, effects)).faults).toEqual(noFaults);
});

test("kill -9 of the daemon just after that of NATS", async () => {
  const { daemon: started, effects } = await startUnderLoad(await backendEnv(servers));
  await using daemon = started;
  for (let round = 0; round < 2 * rounds; round++) {
    const before = await completedCount(daemon);
    await until("work goes on", async () => (await completedCount(daemon)) > before + 20, { timeout: 30_000 });
    await servers.nats.kill9();
    // While some events wait for NATS and others already go round it.
    await Bun.sleep(Math.random() * 1_500);
    await daemon.kill9();
    await servers.nats.restart();
    await daemon.restart();
  }
  expect((await settleAndCount(daemon, effects)).faults).toEqual(noFaults);
});

test("kill -9 of the embedded PostgreSQL under load", async () => {
  const { daemon: started, effects } = await startUnderLoad({});
  await using daemon = started;
  const kill = async () => {
    const own = new Set(daemon.project.processes().map(({ pid }) => pid));
    const server = runningProcesses().find(({ pid, argv }) => own.has(pid) && argv[0]?.endsWith("/postgres"));
    if (!server) throw new Error("there is no embedded PostgreSQL");
    process.kill(server.pid, "SIGKILL");
  };
  const back = () => until("the database is back", () => completedCount(daemon), { timeout: 30_000 }).then(() => {});
  await outages(daemon, kill, back);
  await expectNothingLost(daemon, effects);
});
