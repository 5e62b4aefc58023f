import { expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { daemonIn } from "../support/daemon.ts";
import { makeProject, type Project } from "../support/project.ts";
import { runningProcesses } from "../support/running.ts";

setDefaultTimeout(60_000);

const isRoot = process.geteuid?.() === 0;
const packs = {
  "who/pack.yaml": "ref: who\nversion: 1.0.0\n",
  "who/actions/am_i.yaml": "ref: who.am_i\nentry_point: am_i.sh\n",
  "who/actions/am_i.sh": "#!/bin/sh\nid -u\n",
};

/** Runs an action, restarts, finds the record again, and gives the uid the action had. */
async function useDaemon(project: Project): Promise<number> {
  await using daemon = daemonIn(project);
  daemon.launch();
  await daemon.ready();
  const uid = Number((await daemon.cli("run", "who.am_i")).stdout);
  expect(await daemon.stop()).toBe(0);
  await daemon.restart();
  expect(await daemon.get<object[]>("/executions?action_ref=who.am_i")).toMatchObject([{ status: "completed" }]);
  expect(statSync(project.dataDir).mode & 0o777).toBe(0o700);
  expect(statSync(join(project.dataDir, "token")).mode & 0o777).toBe(0o600);
  if (isRoot) expect(postgresUids(project)).not.toContain(0);
  return uid;
}

function postgresUids(project: Project): number[] {
  const own = new Set(project.processes().map(({ pid }) => pid));
  const servers = runningProcesses().filter(({ pid, argv }) => own.has(pid) && argv[0]?.endsWith("/postgres"));
  return servers.map(({ pid }) => statSync(`/proc/${pid}`).uid);
}

test("as an ordinary user", async () => {
  const as = isRoot ? { uid: 65534, gid: 65534 } : undefined;
  const project = makeProject({ packs, ...(as && { as }) });
  if (as) chmodSync(join(project.dir, ".."), 0o755);
  expect(await useDaemon(project)).toBe(as?.uid ?? process.geteuid?.() ?? -1);
});

test("as root, also where only root can enter", async () => {
  // The continuous integration runs as root; elsewhere there is nothing here that an ordinary user could do.
  if (!isRoot) return;
  const project = makeProject({ packs });
  chmodSync(join(project.dir, ".."), 0o700);
  expect(await useDaemon(project)).toBe(0);
});
