import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { backendEnv, backendNames, startServers } from "../support/backends.ts";
import { daemonIn, startDaemon } from "../support/daemon.ts";
import { effectsFile, loadPack, noFaults, settleAndCount } from "../support/load.ts";
import { makeProject } from "../support/project.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

for (const backend of backendNames) {
  test(`SIGTERM under load leaves nothing half-done: ${backend}`, async () => {
    await using servers = backend === "external PostgreSQL, NATS" ? await startServers() : null;
    const project = makeProject({ env: await backendEnv(servers) });
    const effects = effectsFile(project);
    project.writePacks(loadPack({ perSecond: 100, effects }));
    await using daemon = daemonIn(project);
    for (let i = 0; i < 3; i++) {
      await daemon.restart();
      await until("work is done", () => existsSync(effects));
      await Bun.sleep(Math.random() * 1_000);
      expect(await daemon.stop()).toBe(0);
      expect(project.processes()).toEqual([]);
      expect(existsSync(join(project.dataDir, "daemon.json"))).toBe(false);
    }
    await daemon.restart();
    const report = await settleAndCount(daemon, effects);
    expect(report.faults).toEqual(noFaults);
    expect(report.abandoned).toBe(0);
  });
}

test("SIGTERM while it starts", async () => {
  for (const wait of [0, 30, 100, 300, 600]) {
    const project = makeProject();
    await using daemon = daemonIn(project);
    daemon.launch();
    await Bun.sleep(wait);
    // Before its handlers are in place the signal ends it as any program; after that it stops in order.
    const code = await daemon.stop();
    if (wait >= 100) expect(code).toBe(0);
    expect(project.processes()).toEqual([]);
  }
});

test("a second SIGTERM does not wait for the actions", async () => {
  await using daemon = await startDaemon({
    packs: {
      "long/pack.yaml": "ref: long\nversion: 1.0.0\n",
      "long/actions/sleep.yaml": "ref: long.sleep\nentry_point: sleep.sh\n",
      "long/actions/sleep.sh": "#!/bin/sh\necho $$ >&2\nsleep 600\n",
    },
  });
  const { id } = (await daemon.cli("run", "long.sleep", "--no-wait", "-o", "json")).json<{ id: string }>();
  await until("it runs", async () => (await daemon.get<{ status: string }>(`/executions/${id}`)).status === "running");
  process.kill(daemon.pid, "SIGTERM");
  await until("it is stopping", () => daemon.log().includes("waiting for running executions"));
  process.kill(daemon.pid, "SIGTERM");
  expect(await daemon.exited()).toBe(143);
  await daemon.restart();
  // The next start ends what it left and says so in the record.
  await until("the execution is abandoned", async () => {
    return (await daemon.get<{ status: string }>(`/executions/${id}`)).status === "abandoned";
  });
  const left = daemon.project.processes().filter(({ argv }) => argv.join(" ") === "sleep 600");
  expect(left).toEqual([]);
});
