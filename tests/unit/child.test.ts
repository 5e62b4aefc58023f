import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, type ChildSpec, startChild, startTicksOf } from "../../src/core/processes/child.ts";
import { tempDir } from "../support/packs.ts";
import { isRunning, openDescriptors, residentBytes } from "../support/running.ts";
import { thrownBy } from "../support/thrown.ts";
import { until } from "../support/until.ts";

// Generous, for a machine that is busy with other things: nothing waits for it.
setDefaultTimeout(60_000);

const environment = { PATH: "/usr/bin:/bin" };

interface Started extends Child {
  readonly out: () => string;
  readonly err: () => string;
}

function start(argv: readonly [string, ...string[]], options: Partial<ChildSpec> = {}): Started {
  const chunks = { out: [] as Uint8Array[], err: [] as Uint8Array[] };
  const child = startChild({
    argv,
    cwd: "/",
    packDir: "/",
    env: environment,
    stdin: "none",
    onStdout: (chunk) => void chunks.out.push(chunk),
    onStderr: (chunk) => void chunks.err.push(chunk),
    ...options,
  });
  return { ...child, out: () => Buffer.concat(chunks.out).toString(), err: () => Buffer.concat(chunks.err).toString() };
}
const shell = (script: string, options?: Partial<ChildSpec>) => start(["/bin/sh", "-c", script], options);

describe("what a child sees", () => {
  test("its output are real pipes, which can be opened again", async () => {
    const child = shell("echo out > /dev/stdout; echo err > /dev/stderr; stat -Lc %F /dev/fd/1");
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect([child.out(), child.err()]).toEqual(["out\nfifo\n", "err\n"]);
  });

  test("its environment is exactly what was given", async () => {
    const child = start(["/usr/bin/env"], { env: { ONE: "1", TWO: "a\nb" } });
    await child.exited;
    expect(child.out()).toBe("ONE=1\nTWO=a\nb\n");
  });

  test("no descriptor but the standard three is inherited", async () => {
    const others = [shell("sleep 60"), shell("sleep 60", { stdin: "open" })];
    const child = start(["/bin/ls", "/proc/self/fd"], { stdin: { text: "x" } });
    await child.exited;
    // The fourth is that of the directory being listed.
    expect(child.out()).toBe("0\n1\n2\n3\n");
    await Promise.all(others.map((other) => other.stop(0)));
  });

  test("text is written to its stdin and then ended, however long, and one that does not read it is no failure", async () => {
    const text = "é".repeat(1_000_000);
    const reader = start(["/usr/bin/wc", "-c"], { stdin: { text } });
    await reader.exited;
    expect(reader.out()).toBe("2000000\n");
    expect(await shell("exit 0", { stdin: { text } }).exited).toEqual({ code: 0, signal: null });
    const none = shell("cat");
    await none.exited;
    expect(none.out()).toBe("");
  });

  test("an open stdin takes line after line until it is stopped", async () => {
    const child = shell('while read -r line; do echo "got $line"; done; echo end', { stdin: "open" });
    await child.send("one\n");
    await until("the first line is answered", () => child.out() === "got one\n");
    await child.send("two\n");
    await until("the second line is answered", () => child.out().endsWith("got two\n"));
    await child.stop(5_000);
  });
});

describe("how it ends", () => {
  test("with its code, or with the signal that ended it", async () => {
    expect(await shell("exit 7").exited).toEqual({ code: 7, signal: null });
    expect(await shell("kill -KILL $$").exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("stopping reaches the whole group, and what ignores SIGTERM is killed after the grace", async () => {
    const child = shell(`trap "" TERM; sh -c 'trap "" TERM; echo $$; sleep 60' & echo $$; wait; sleep 60`);
    const pids = await until(
      "both have said who they are",
      () => child.out().match(/\d+/g)?.length === 2 && child.out().match(/\d+/g),
    );
    expect(await child.stop(50)).toEqual({ code: null, signal: "SIGKILL" });
    await until("nothing of the group is left", () => !pids.map(Number).some(isRunning));
  });

  test("one that ends on SIGTERM is not waited for any longer", async () => {
    const child = shell("sleep 60");
    const began = performance.now();
    expect(await child.stop(30_000)).toEqual({ code: null, signal: "SIGTERM" });
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test("what it leaves running in its group is killed, and output it holds open ends in about a second", async () => {
    const began = performance.now();
    const child = shell("sleep 60 & echo $!");
    expect(await child.exited).toEqual({ code: 0, signal: null });
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(500);
    expect(took).toBeLessThan(3_000);
    await until("the descendant is gone", () => !isRunning(Number(child.out())));
  });

  test.each([
    ["is silent", "sleep 60"],
    ["writes for ever", "yes"],
  ])("a descendant that left the group, holds the output and %s does not hold up the end", async (_, command) => {
    const descriptors = openDescriptors();
    const child = shell(`setsid ${command} & echo $! >&2; exit 3`, { onStdout: () => {} });
    try {
      const began = performance.now();
      expect(await child.exited).toEqual({ code: 3, signal: null });
      expect(performance.now() - began).toBeLessThan(3_000);
      await until("its descriptors are closed", () => openDescriptors() <= descriptors);
    } finally {
      process.kill(Number(child.err()), "SIGKILL");
    }
  });

  test("all it wrote is delivered before the end, also to a reader that is slower than the child's death", async () => {
    const taken: Uint8Array[] = [];
    const child = shell("echo one; sleep 0.1; head -c 50000 /dev/zero; echo two", {
      async onStdout(chunk) {
        taken.push(chunk);
        if (taken.length === 1)
          await until("the child is dead for longer than its output may be open", () => died && performance.now() > died + 1_200);
      },
    });
    let died = 0;
    await until("it has exited", () => !isRunning(child.pid));
    died = performance.now();
    await child.exited;
    expect(Buffer.concat(taken).toString()).toBe(`one\n${"\0".repeat(50_000)}two\n`);
  });
});

describe("what can't be started", () => {
  test("says what to do", () => {
    using dir = tempDir("child");
    const plain = join(dir.path, "plain.sh");
    const noInterpreter = join(dir.path, "lost.sh");
    writeFileSync(plain, "#!/bin/sh\n", { mode: 0o644 });
    writeFileSync(noInterpreter, "#!/no/such/shell\n");
    chmodSync(noInterpreter, 0o755);
    const problem = (argv: [string, ...string[]], options: Partial<ChildSpec> = {}) => thrownBy(() => start(argv, options));

    const install = { code: "RUNTIME_UNAVAILABLE", hint: "install it, or check the interpreter line of the script" };
    expect(problem(["no-such-program"])).toMatchObject(install);
    expect(problem([noInterpreter])).toMatchObject(install);
    expect(problem([plain])).toMatchObject({ code: "RUNTIME_UNAVAILABLE", hint: `make it executable: chmod +x ${plain}` });
    expect(problem(["/bin/true"], { env: { X: "x".repeat(200_000) } })).toMatchObject({
      code: "RUNTIME_UNAVAILABLE",
      hint: "the environment or the arguments are too large; deliver parameters by stdin",
    });
    expect(problem(["/bin/true"], { cwd: "/no/such/directory" })).toMatchObject({
      code: "RUNTIME_UNAVAILABLE",
      message: "cannot start /bin/true: its directory /no/such/directory is gone",
    });
  });
});

describe("what it costs", () => {
  test("a reader that is busy stops the child, not the daemon's memory", async () => {
    const before = residentBytes(process.pid) / 1024 / 1024;
    const free = Promise.withResolvers<void>();
    let highest = 0;
    let taken = 0;
    const child = start(["/usr/bin/head", "-c", "200000000", "/dev/zero"], {
      async onStdout(chunk) {
        await free.promise;
        taken += chunk.byteLength;
        highest = Math.max(highest, residentBytes(process.pid) / 1024 / 1024);
      },
    });
    const written = () => Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${child.pid}/io`, "utf8"))?.[1]);
    let last = -1;
    await until("the child does not get on", async () => {
      const stands = written() === last;
      last = written();
      await Bun.sleep(50);
      return stands;
    });
    expect(last).toBeLessThan(2_000_000);
    free.resolve();
    await child.exited;
    expect(taken).toBe(200_000_000);
    expect(highest - before).toBeLessThan(120);
  });

  test("200 runs, started and failed, leave no descriptor and no process behind", async () => {
    await shell("true").exited;
    const before = openDescriptors();
    const pids: number[] = [];
    for (let round = 0; round < 20; round++) {
      const children = Array.from({ length: 10 }, (_, i) => shell(`echo ${i}`, { stdin: i % 2 ? { text: "x" } : "open" }));
      for (const child of children) pids.push(child.pid);
      thrownBy(() => start(["no-such-program"]));
      await Promise.all(children.map((child) => child.exited));
    }
    await until("every descriptor is closed", () => openDescriptors() <= before);
    expect(pids.filter(isRunning)).toEqual([]);
  });
});

test("a process is named by its pid and start time for good", async () => {
  const child = shell("sleep 60");
  const ticks = startTicksOf(child.pid);
  expect(ticks).toMatch(/^\d+$/);
  expect(startTicksOf(child.pid)).toBe(ticks);
  await child.stop(0);
  expect(startTicksOf(child.pid)).toBeNull();
});
