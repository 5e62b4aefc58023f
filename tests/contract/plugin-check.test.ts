import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { checkPlugin, type Outcome, type PluginCheck } from "../../src/core/testing/plugin-check.ts";
import { tempDir, writePack } from "../support/packs.ts";
import { isRunning } from "../support/running.ts";
import { repository } from "../support/script.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const fixtures = join(import.meta.dir, "../fixtures");

/** Checks a file from source; a case may take `caseLimit` milliseconds. */
async function check(file: string, options: Partial<Parameters<typeof checkPlugin>[0]> = {}): Promise<PluginCheck> {
  return checkPlugin({
    file,
    command: [process.execPath, join(repository, "src/main.ts")],
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/" },
    cwd: repository,
    signal: new AbortController().signal,
    ...options,
  });
}

/** Checks a plugin of this text, in a file `plugin.ts`. */
async function checkText(text: string, options: { script?: string; caseLimit?: number } = {}) {
  using dir = tempDir("plugin-check");
  const path = realpathSync(dir.path);
  writePack(path, { "plugin.ts": text });
  const { outcomes, ...facts } = await check(join(path, "plugin.ts"), options);
  return { ...facts, outcomes: outcomes.map((outcome) => told(outcome, `${path}/`)) };
}

/** `failed plugin.ts:3:1 message` */
function told({ name, status, problem }: Outcome, dir: string) {
  const place = problem
    ? [problem.file.replace(dir, ""), problem.line, problem.column].filter((part) => part !== null).join(":")
    : "";
  return { name, status, place, message: problem?.message ?? "", hint: problem?.hint ?? "" };
}

const bad = ({ outcomes }: { outcomes: ReturnType<typeof told>[] }) => outcomes.filter(({ status }) => status === "failed");

describe("good plugins pass", () => {
  test("a transport that keeps events in files", async () => {
    const { kind, name, outcomes } = await check(join(fixtures, "transport/journal.ts"));
    expect({ kind, name }).toEqual({ kind: "transport", name: "journal" });
    expect(outcomes.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(outcomes).toHaveLength(13);
  });

  test("a runtime, with a script that is really run", async () => {
    const awk = `import { defineRuntime } from "attune";
export default defineRuntime({
  name: "awk", api: 1, extensions: [".awk"],
  launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
});
`;
    const { outcomes } = await checkText(awk, { script: join(fixtures, "runtime/hello.awk") });
    expect(outcomes.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(outcomes.map(({ name }) => name)).toContain("the script's exit code is seen");
  });

  test("a hooks plugin with a handler of every hook", async () => {
    const { hookNames } = await import("../../src/core/hooks.ts");
    const hooks = [...hookNames].map((name) => `    ${JSON.stringify(name)}: (value: never) => value,`).join("\n");
    const text = `export default { kind: "hooks", name: "all", api: 1, hooks: {\n${hooks}\n  }, setup() {} };\n`;
    const { outcomes } = await checkText(text);
    expect(outcomes.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(outcomes).toHaveLength(2 + 1 + 1 + hookNames.size);
  });
});

describe("what is not even a plugin", () => {
  test("does not build, throws, or has the wrong shape", async () => {
    expect(bad(await checkText("export default {\n"))).toMatchObject([{ name: "it builds", place: "plugin.ts:1:17" }]);
    expect(bad(await checkText('\nthrow new Error("at once");\n'))).toMatchObject([
      { name: "it loads, and has the shape of a plugin", place: "plugin.ts:2:11", message: expect.stringContaining("at once") },
    ]);
    expect(bad(await checkText('export default {\n  kind: "runtime", name: "x", api: 1,\n  lanch() {},\n};\n'))).toMatchObject([
      { place: "plugin.ts:3:3", message: "unknown member `lanch`", hint: "did you mean launch?" },
    ]);
  });
});

/** A runtime whose `launch` is on line 5. */
const runtime = (launch: string, more = "") => `import { defineRuntime } from "attune";
export default defineRuntime({
  name: "x",
  api: 1,
  launch: ${launch},
${more}});
`;

describe("a runtime", () => {
  test("whose launch gives no argv", async () => {
    const failed = bad(await checkText(runtime("() => ({ argv: [] as unknown as [string] })")));
    expect(failed[0]).toMatchObject({
      name: "launch says how to start an action",
      place: "plugin.ts:5:3",
      message: "launch gave something that has no argv, the list of program and arguments",
    });
  });

  test("whose launch throws, changes its target, or is slow", async () => {
    expect(bad(await checkText(runtime("({ kind }) => {\n    throw new Error(kind);\n  }")))[0]).toMatchObject({
      place: "plugin.ts:6:15",
      message: "action",
    });
    const changing = runtime(
      '(target) => {\n    Object.assign(target.pack, { ref: "mine" });\n    return { argv: ["true"] };\n  }',
    );
    expect(bad(await checkText(changing))).toMatchObject([{ name: "launch does not change its target", place: "plugin.ts:5:3" }]);
    const slow = runtime('() => {\n    Bun.sleepSync(25);\n    return { argv: ["true"] };\n  }');
    expect(bad(await checkText(slow))).toMatchObject([{ name: "launch is quick", place: "plugin.ts:5:3" }]);
  });

  test("whose program is missing, or escapes from its process group", async () => {
    expect(bad(await checkText(runtime('() => ({ argv: ["no-such-program"] })')))[0]).toMatchObject({
      name: "the program of a launch is there",
      message: "there is no no-such-program on the PATH",
    });
    const escaping = runtime('({ entrypoint }) => ({ argv: ["setsid", "-f", "sh", entrypoint] })');
    expect(bad(await checkText(escaping))).toMatchObject([
      { name: "what a launch starts ends, all of it, when its process group is signalled", place: "plugin.ts:5:3" },
    ]);
  });

  test("that loses parameters and exit codes", async () => {
    const losing = runtime('({ entrypoint }) => ({ argv: ["sh", "-c", "env -i sh $0 || true", entrypoint], stdin: "" })');
    const failed = bad(await checkText(losing, { script: join(fixtures, "runtime/hello.sh") }));
    expect(failed.map(({ name }) => name)).toEqual([
      "the script runs, and gets its parameters",
      "the script's exit code is seen",
    ]);
    expect(failed[1]?.message).toStartWith("the script ended with 0 instead of exit code 7");
  });

  test("whose interpreter is not here is told why, and nothing else is tried", async () => {
    const absent = runtime('() => ({ argv: ["x"] })', '  probe() {\n    throw new Error("x is not installed");\n  },\n');
    const { outcomes } = await checkText(absent);
    expect(
      outcomes
        .slice(2)
        .map(({ status }) => status)
        .join(),
    ).toBe(`failed${",not tried".repeat(6)}`);
    expect(outcomes[2]).toMatchObject({ place: "plugin.ts:7:15", message: "x is not installed" });
    const relative = runtime('() => ({ argv: ["x"] })', '  probe: () => ({ path: "bin/x" }),\n');
    expect(bad(await checkText(relative))).toMatchObject([
      { place: "plugin.ts:6:3", message: "probe gave the path bin/x, which is not absolute" },
    ]);
  });

  test("that ends the process", async () => {
    const { outcomes } = await checkText(runtime("() => {\n    process.exit(3);\n  }"));
    expect(outcomes[2]).toMatchObject({ status: "failed", place: "plugin.ts:6:13" });
    expect(outcomes[2]?.message).toContain("process.exit");
    expect(outcomes.slice(3).every(({ status }) => status === "not tried")).toBe(true);
  });
});

test("a check that is interrupted ends what it has started", async () => {
  using dir = tempDir("plugin-check");
  const path = realpathSync(dir.path);
  writePack(path, {
    "plugin.ts": runtime('({ entrypoint }) => ({ argv: ["sh", entrypoint] })'),
    "forever.sh": `echo $$ > ${path}/pid\nexec sleep 3600\n`,
  });
  const interrupted = new AbortController();
  const checking = check(join(path, "plugin.ts"), { script: join(path, "forever.sh"), signal: interrupted.signal });
  const pid = await until("the script to run", () => Number(readFileSync(join(path, "pid"), "utf8")));
  interrupted.abort(new Error("interrupted"));
  await expect(checking).rejects.toThrow("interrupted");
  await until("the script to be gone", () => !isRunning(pid));
});

const hooks = (text: string) => `export default {
  kind: "hooks", name: "x", api: 1,
  hooks: {
${text}
  },
};
`;

describe("hooks", () => {
  test("a filter that returns nothing or a wrong shape, and handlers that throw, now or later", async () => {
    const failed = bad(
      await checkText(
        hooks(`    "event:accept": () => undefined,
    "process:launch": (launch) => ({ ...launch, argv: [] }),
    "execution:plan": () => {
      throw new Error("mine");
    },
    "event:accepted": async (event) => {
      event.payload = {};
    },
    "daemon:ready": () => {
      setTimeout(() => { throw new Error("later"); }, 0);
      return Bun.sleep(20);
    },`),
      ),
    );
    expect(failed.map(({ place, message }) => `${place} ${message}`)).toEqual([
      expect.stringMatching(/^plugin.ts:4:5 hook event:accept .* returned nothing$/),
      expect.stringMatching(/^plugin.ts:5:5 hook process:launch .* has no argv/),
      expect.stringMatching(/^plugin.ts:7:17 hook execution:plan .*: mine$/),
      "plugin.ts:9:5 event:accepted changed what it was told, which other plugins are told as well",
      "plugin.ts:13:36 it throws what nobody catches: later",
    ]);
  });

  test("one that never answers", async () => {
    const failed = bad(await checkText(hooks('    "daemon:ready": () => new Promise(() => {}),'), { caseLimit: 300 }));
    expect(failed).toMatchObject([
      { place: "plugin.ts:4:5", message: expect.stringMatching(/^waited \d\.\d s for daemon:ready to answer$/) },
    ]);
  });

  test("one that blocks the process is named, and what follows is not tried", async () => {
    const text = hooks('    "daemon:ready": () => { for (;;); },\n    "daemon:stopping": () => {},');
    const { outcomes } = await checkText(text, { caseLimit: 300 });
    expect(outcomes.slice(3)).toMatchObject([
      { status: "failed", place: "plugin.ts:4:5", message: expect.stringContaining("it blocks the process it runs in") },
      { status: "not tried", name: expect.stringContaining("daemon:stopping") },
    ]);
  });
});

/** A transport whose `publish` and `subscribe` are on lines 8 and 11. */
const transport = (publish: string, subscribe: string) => `export default {
  kind: "transport", name: "x", api: 1,
  async open({ scope }) {
    let handle = null;
    const queue = []; let seen = 0;
    return {
      description: "in memory",
      async publish(event) {
${publish}
      },
      async subscribe(given) {
${subscribe}
      },
    };
  },
};
`;
const plainSubscribe = "        handle = given; return { async [Symbol.asyncDispose]() { handle = null; } };";
const names = (failed: ReturnType<typeof told>[]) => failed.map(({ name }) => name);

describe("a transport", () => {
  test("that loses events", async () => {
    const losing = transport("        if (++seen % 10 === 0) return; await handle?.([event]);", plainSubscribe);
    const failed = bad(await checkText(losing, { caseLimit: 500 }));
    expect(failed).toContainEqual(
      expect.objectContaining({
        name: "batches have at most 64 events, come one at a time and leave none out",
        place: "plugin.ts:11:13",
        message: expect.stringMatching(/^waited \d\.\d s for all of 1000 accepted events to be handled; \d+ are missing$/),
      }),
    );
  });

  test("that accepts into memory, and forgets", async () => {
    const forgetful = transport("        queue.push(event); void handle?.(queue.splice(0)).catch(() => {});", plainSubscribe);
    const failed = bad(await checkText(forgetful, { caseLimit: 300 }));
    expect(names(failed)).toEqual(
      expect.arrayContaining([
        "an accepted event is handled also when the handler failed first",
        "an event accepted while nobody subscribes is there when the transport is opened again",
        "an event accepted before it was handled is there when the transport is opened again",
        "unsubscribing waits for the batch in hand, and then nothing more is handled",
      ]),
    );
    expect(failed.at(-1)?.place).toBe("plugin.ts:8:13");
  });

  test("that hands over what nobody published, or changes what was published", async () => {
    const inventing = transport('        await handle?.([{ ...event, trigger: "other.trigger" }]);', plainSubscribe);
    expect(bad(await checkText(inventing, { caseLimit: 300 }))[0]).toMatchObject({
      name: "an accepted event is handled as it was published",
      message: expect.stringContaining("an event of trigger other.trigger came that this check did not publish"),
    });
    const changing = transport("        await handle?.([{ ...event, rule: null }]);", plainSubscribe);
    expect(bad(await checkText(changing, { caseLimit: 300 }))[0]).toMatchObject({
      name: "an accepted event is handled as it was published",
      message: expect.stringContaining("the handled event is "),
    });
  });

  test("that takes a second subscriber, or gives no subscription", async () => {
    const failed = bad(
      await checkText(transport("        await handle?.([event]);", "        handle = given;"), { caseLimit: 300 }),
    );
    expect(failed[0]?.message).toBe("subscribe did not resolve with an AsyncDisposable");
    const second = bad(await checkText(transport("        await handle?.([event]);", plainSubscribe), { caseLimit: 300 }));
    expect(names(second)).toContain("there is one subscriber at a time");
  });

  test("that can't be opened, or never is", async () => {
    const open = (text: string) => `export default {\n  kind: "transport", name: "x", api: 1,\n  open: ${text},\n};\n`;
    expect(bad(await checkText(open('async () => { throw new Error("no server"); }')))[0]).toMatchObject({
      place: "plugin.ts:3:33",
      message: "no server",
    });
    expect(bad(await checkText(open("() => new Promise(() => {})"), { caseLimit: 100 }))[0]).toMatchObject({
      place: "plugin.ts:3:3",
      message: expect.stringMatching(/^waited \d\.\d s for open to resolve$/),
    });
  });
});

test("a storage that keeps nothing is told of each promise it breaks", async () => {
  const text = `export default {
  kind: "storage", name: "x", api: 1,
  async open() {
    return {
      description: "nothing",
      query: async () => ({ rows: [], rowCount: 0 }),
      transaction: async (run) => run({ query: async () => ({ rows: [], rowCount: 0 }) }),
    };
  },
};
`;
  const { outcomes } = await checkText(text);
  const failed = bad({ outcomes });
  expect(names(failed)).toContain("values keep their type");
  expect(names(failed)).toContain("a transaction commits what it resolves with");
  expect(failed.every(({ place }) => place === "plugin.ts:3:9")).toBe(true);
});
