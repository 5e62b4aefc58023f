import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type BackendName, backendEnv, backendNames, type Servers, startServers } from "../support/backends.ts";
import { daemonIn, type TestDaemon } from "../support/daemon.ts";
import { effectsFile, loadPack, noFaults, settleAndCount } from "../support/load.ts";
import { makeProject } from "../support/project.ts";

setDefaultTimeout(300_000);

const kills = Number(process.env["ATTUNE_TEST_KILLS"] ?? 5);
const longestLife = 2_500;

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

/** A daemon under load in a project of its own; it is not started. */
async function loadedDaemon(backend: BackendName): Promise<{ daemon: TestDaemon; effects: string }> {
  const env = await backendEnv(backend === "external PostgreSQL, NATS" ? servers : null);
  const project = makeProject({ env });
  const effects = effectsFile(project);
  project.writePacks(loadPack({ perSecond: 100, effects }));
  return { daemon: daemonIn(project), effects };
}

for (const backend of backendNames) {
  test(`${kills} times kill -9 of the daemon under load: ${backend}`, async () => {
    const { daemon: killed, effects } = await loadedDaemon(backend);
    await using daemon = killed;
    const lives: number[] = [];
    for (let i = 0; i < kills; i++) {
      daemon.launch();
      // At least one of them is hit in full work; any moment is fair, also while it starts.
      if (i % 2 === 0) await daemon.ready();
      const life = Math.round(Math.random() * longestLife);
      lives.push(life);
      await Bun.sleep(life);
      await daemon.kill9();
    }
    await daemon.restart();
    const report = await settleAndCount(daemon, effects);
    const { events, completed, abandoned } = report;
    console.log(`${kills} kills after ${lives.join(", ")} ms: ${events} events, ${completed} completed, ${abandoned} abandoned`);
    expect(report.faults).toEqual(noFaults);
    expect(report.completed).toBeGreaterThan(50);
    // The disposal finds nothing left running.
    expect(await daemon.stop()).toBe(0);
    expect(daemon.project.processes()).toEqual([]);
  });
}
