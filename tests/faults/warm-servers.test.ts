import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning } from "../support/running.ts";
import { until } from "../support/until.ts";
import { generousPolicy, startWarmPython } from "../support/warm.ts";

const runs = Number(process.env["ATTUNE_TEST_WARM_RUNS"] ?? 600);
setDefaultTimeout(30_000 + runs * 100);

const program = process.env["ATTUNE_TEST_PYTHON"] ?? Bun.which("python3", { PATH: "/usr/bin:/usr/local/bin" }) ?? "";
let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "attune-warm-faults-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Notes that it began, and ends in a way of its own: with a code, or by a signal. */
const script = `import os, signal, sys, time
n = int(sys.argv[1])
with open("began", "a") as f: f.write("%d %d\\n" % (n, os.getppid()))
time.sleep(n % 7 / 200)
print(n)
if n % 5 == 0:
    os.kill(os.getpid(), signal.SIGKILL if n % 10 else signal.SIGTERM)
sys.exit(n % 200)
`;

function kill9(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false; // It was killed the round before, and is not noted as gone yet.
  }
}

const expected = (n: number) =>
  n % 5 === 0 ? { code: null, signal: n % 10 ? "SIGKILL" : "SIGTERM" } : { code: n % 200, signal: null };

test(`${runs} executions while their servers are killed at random: each begins once and has one true end`, async () => {
  writeFileSync(join(dir, "work.py"), script);
  await using warm = await startWarmPython(program, dir);
  await warm.ready();
  let done = false;
  let kills = 0;
  const killing = (async () => {
    while (!done) {
      // Mostly one that works, now and then one that is only coming up.
      if (Math.random() < 0.8) await warm.ready();
      await Bun.sleep(Math.random() * 100);
      for (const pid of [...warm.servers()]) kills += kill9(pid) ? 1 : 0;
    }
  })();
  let next = 0;
  const pids: number[] = [];
  const wrong: object[] = [];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let n = next++; n < runs; n = next++) {
        const { child, finished } = await warm.start("warm", "work.py", { args: [String(n)] });
        pids.push(child.pid);
        const { exit, stdout } = await finished;
        if (!Bun.deepEquals(exit, expected(n)) || stdout !== `${n}\n`) wrong.push({ n, exit, stdout });
      }
    }),
  );
  done = true;
  await killing;
  const began = readFileSync(join(dir, "began"), "utf8").trim().split("\n");
  const numbers = began.map((line) => Number(line.split(" ")[0]));
  const cold = began.filter((line) => Number(line.split(" ")[1]) === process.pid).length;
  console.log(`${runs} executions, ${kills} kills; ${cold} began cold or as orphans, the others under a server`);
  expect(wrong).toEqual([]);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: runs }, (_, n) => n));
  expect(kills).toBeGreaterThan(runs / 100);
  expect(runs - cold).toBeGreaterThan(runs / 10);
  await until("nothing of them is left", () => !pids.some(isRunning));
});

test("a script whose server is killed goes on, is told of its end, and the next ones are served by another server", async () => {
  writeFileSync(join(dir, "long.py"), "import sys; print('up', flush=True); print(sys.stdin.readline()); sys.exit(6)\n");
  await using warm = await startWarmPython(program, dir);
  await warm.ready();
  writeFileSync(join(dir, "slow.py"), "import time, sys\ntime.sleep(1)\nprint('done')\nsys.exit(6)\n");
  const { finished } = await warm.start("warm", "slow.py");
  const [first] = warm.servers();
  process.kill(first as number, "SIGKILL");
  expect(await finished).toEqual({ exit: { code: 6, signal: null }, stdout: "done\n", stderr: "" });
  await warm.ready();
  expect(warm.servers()).not.toContain(first);
});

test("a server that hangs is ended, and what it was asked for starts cold", async () => {
  await using warm = await startWarmPython(program, dir, { policy: { ...generousPolicy, startLimit: 500 } });
  await warm.ready();
  process.kill(warm.servers()[0] as number, "SIGSTOP");
  const result = await warm.run("warm", "who.py");
  expect(Number(result.stdout)).toBe(process.pid);
  await until("it is gone", () => warm.servers().length === 0);
});

test("one that dies again and again is left alone for a while", async () => {
  await using warm = await startWarmPython(program, dir, {
    policy: { ...generousPolicy, deaths: 3, within: 60_000, rest: 60_000 },
  });
  for (let death = 0; death < 3; death++) {
    await warm.run("warm", "who.py");
    const [pid] = warm.servers();
    process.kill(pid as number, "SIGKILL");
    await until("its death is noted", () => warm.log.length === death + 1);
  }
  expect(warm.log.at(-1)).toContain("died 3 times: its scripts start cold for 60 s");
  expect(Number((await warm.run("warm", "who.py")).stdout)).toBe(process.pid);
  expect(warm.servers()).toEqual([]);
});

test("an idle server ends, and comes back when it is needed", async () => {
  await using warm = await startWarmPython(program, dir, { idle: 200 });
  await warm.ready();
  await until("it has ended", () => warm.servers().length === 0);
  await warm.ready();
  expect(warm.log).toEqual([]);
});
