import { afterEach, expect, test } from "bun:test";
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { silentLogger } from "../../src/core/log.ts";
import { type Child, startChild, startTicksOf } from "../../src/core/processes/child.ts";
import { cookieVariable, killLeftovers, openLedger } from "../../src/core/processes/leftovers.ts";
import { tempDir } from "../support/packs.ts";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";

const cookie = crypto.randomUUID();
const started: Child[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop(0)));
});

function start(script: string, env: Record<string, string> = {}): Child & { out(): string } {
  let out = "";
  const child = startChild({
    argv: ["/bin/sh", "-c", script],
    cwd: "/",
    packDir: "/",
    env: { PATH: "/usr/bin:/bin", ...env },
    stdin: "none",
    onStdout: (chunk) => {
      out += Buffer.from(chunk).toString();
    },
    onStderr: () => {},
  });
  started.push(child);
  return { ...child, out: () => out };
}

test("the groups in the ledger are ended, whatever their environment", async () => {
  using dir = tempDir("leftovers");
  const ledger = openLedger(dir.path);
  const child = start("sleep 60 & echo $!; wait");
  const over = start("sleep 60");
  ledger.started(child.pid);
  ledger.started(over.pid);
  ledger.ended(over.pid);
  const descendant = Number(await until("it has started its own child", () => child.out().trim()));

  expect(killLeftovers(dir.path, cookie, silentLogger)).toBe(1);
  await until("the group is gone", () => !isRunning(child.pid) && !isRunning(descendant));
  expect(isRunning(over.pid)).toBe(true);
});

test("a process that left its group is found by the cookie", async () => {
  using dir = tempDir("leftovers");
  const parent = start("setsid sleep 60 & echo $!; sleep 0.1", { [cookieVariable]: cookie });
  const escaped = Number(await until("it has started its own child", () => parent.out().trim()));
  await parent.exited;
  expect(isRunning(escaped)).toBe(true);
  killLeftovers(dir.path, cookie, silentLogger);
  await until("the escaped process is gone", () => !isRunning(escaped));
});

test("nothing else is touched: a reused pid, another daemon's cookie, the cookie inside another value, this process", async () => {
  using dir = tempDir("leftovers");
  const reused = start("sleep 60");
  const others = [
    start("sleep 60", { [cookieVariable]: crypto.randomUUID() }),
    start("sleep 60", { [cookieVariable]: `${cookie}0` }),
    start("sleep 60", { NOTE: `${cookieVariable}=${cookie}` }),
  ];
  appendFileSync(join(dir.path, "processes"), `+${reused.pid} 1\n+notanumber x\n+1\ngarbage\n+${reused.pid}`);
  expect(killLeftovers(dir.path, cookie, silentLogger)).toBe(0);
  expect([reused, ...others].map(({ pid }) => isRunning(pid))).toEqual([true, true, true, true]);
});

test("without a ledger there is nothing to end, and the ledger stays small however many have run", () => {
  using dir = tempDir("leftovers");
  expect(killLeftovers(dir.path, cookie, silentLogger)).toBe(0);
  const ledger = openLedger(dir.path);
  const [lasting, passing] = [start("sleep 60"), start("sleep 60")];
  ledger.started(lasting.pid);
  for (let n = 1; n <= 6_000; n++) {
    ledger.started(passing.pid);
    ledger.ended(passing.pid);
  }
  const lines = readFileSync(join(dir.path, "processes"), "utf8").split("\n");
  expect(lines.length).toBeLessThan(10_000);
  expect(lines).toContain(`+${lasting.pid} ${startTicksOf(lasting.pid)}`);
});
