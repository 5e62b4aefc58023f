import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nats } from "../../src/plugins/transport/nats.ts";
import { natsProgram } from "../support/nats.ts";
import { makeEvent, openTransport, publishUntilAccepted, recorder } from "../support/transport.ts";
import { until } from "../support/until.ts";

const DAEMON = join(import.meta.dir, "../fixtures/transport/managed-publisher.ts");
natsProgram();

async function serverPid(dataDir: string): Promise<number> {
  return until("the server's pid file", async () => Number(await readFile(join(dataDir, "nats/server.pid"), "utf8")));
}

/** A zombie nobody has reaped yet is gone, too. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return status !== "" && !status.includes(") Z ");
}

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), "attune-managed-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test("it runs on the loopback address with a private configuration and store, and ends with its scope", async () => {
  const opened = await openTransport(nats({ managed: true }));
  const pid = await serverPid(opened.dataDir);
  expect(opened.transport.description).toMatch(/^NATS JetStream \S+ at 127\.0\.0\.1:\d+ \(managed\)$/);
  expect((await stat(join(opened.dataDir, "nats/server.conf"))).mode & 0o777).toBe(0o600);
  const secret = /password: "(.+)"/.exec(await readFile(join(opened.dataDir, "nats/server.conf"), "utf8"))?.[1] ?? "";
  expect(secret.length).toBeGreaterThan(20);
  expect(await readFile(`/proc/${pid}/cmdline`, "utf8")).not.toContain(secret);
  await opened.transport.publish(makeEvent());
  expect(existsSync(join(opened.dataDir, "nats/store/jetstream"))).toBe(true);
  await opened[Symbol.asyncDispose]();
  expect(await isAlive(pid)).toBe(false);
});

test("its server is started again when it dies, with its events", async () => {
  await using opened = await openTransport(nats({ managed: true }));
  const events = [makeEvent(), makeEvent(), makeEvent()];
  for (const event of events.slice(0, 2)) await opened.transport.publish(event);
  const pid = await serverPid(opened.dataDir);
  process.kill(pid, "SIGKILL");
  await until("another server", async () => (await serverPid(opened.dataDir)) !== pid);
  await publishUntilAccepted(opened.transport, events[2] ?? makeEvent());
  const { handle, ids } = recorder();
  await using _ = await opened.transport.subscribe(handle);
  await until("all handled", () => ids().size === 3);
});

test("the server of a daemon that was killed is stopped, and its events are there", async () => {
  await using directory = await temporaryDirectory();
  const event = makeEvent();
  const daemon = Bun.spawn([process.execPath, DAEMON, directory.path, JSON.stringify(event)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const chunk of daemon.stdout) {
    if (new TextDecoder().decode(chunk).includes("accepted")) break;
  }
  daemon.kill("SIGKILL");
  await daemon.exited;
  const leftover = await serverPid(directory.path);
  expect(await isAlive(leftover)).toBe(true);

  await using opened = await openTransport(nats({ managed: true }), { dataDir: directory.path });
  expect(await isAlive(leftover)).toBe(false);
  const { handle, handled } = recorder();
  await using _ = await opened.transport.subscribe(handle);
  await until("handled", () => handled.length === 1);
  expect(handled).toEqual([event]);
});

test("a pid file that names somebody else's process harms nobody", async () => {
  await using directory = await temporaryDirectory();
  await Bun.write(join(directory.path, "nats/server.pid"), String(process.pid));
  await using opened = await openTransport(nats({ managed: true }), { dataDir: directory.path });
  await opened.transport.publish(makeEvent());
});

test("a server that can't start is named with its last words", async () => {
  await using directory = await temporaryDirectory();
  await Bun.write(join(directory.path, "nats/store/jetstream"), "not a directory");
  const error = await openTransport(nats({ managed: true }), { dataDir: directory.path }).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: "TRANSPORT_UNAVAILABLE" });
  expect(error.message).toMatch(/nats-server did not start: .*(jetstream|storage)/i);
});
