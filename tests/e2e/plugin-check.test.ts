import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { makeProject } from "../support/project.ts";

setDefaultTimeout(60_000);

const fixture = (file: string) => readFileSync(join(import.meta.dir, "../fixtures", file), "utf8");

const awk = `import { defineRuntime } from "attune";
console.log("a plugin may print what it likes");
export default defineRuntime({
  name: "awk", api: 1, extensions: [".awk"],
  launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
});
`;

test("attune plugin check tells each promise that is kept or broken, without a daemon", async () => {
  await using project = makeProject({
    files: {
      "plugins/awk.ts": awk,
      "plugins/bad.ts": awk.replace('["awk", "-f", entrypoint]', "[]"),
      "hello.awk": fixture("runtime/hello.awk"),
    },
  });
  const good = await project.cli("plugin", "check", "plugins/awk.ts", "--script", "hello.awk");
  expect(good.stderr).toBe("");
  expect(good.stdout).toMatch(/^ok +\d+ ms {2}it builds\nok +\d+ ms {2}it loads, and has the shape of a plugin\n/);
  expect(good.stdout).toEndWith("\nplugins/awk.ts is a runtime plugin: 10 of 10 ok\n");
  expect(good.code).toBe(0);

  const unscripted = await project.cli("plugin", "check", "plugins/awk.ts");
  expect(unscripted).toMatchObject({ code: 0, stderr: "no script was run: --script FILE runs one\n" });

  const bad = await project.cli("plugin", "check", "plugins/bad.ts");
  expect(bad.code).toBe(1);
  const mistake = "plugins/bad.ts:5:3: error: launch gave something that has no argv, the list of program and arguments\n";
  // Once, though several cases come upon it.
  expect(bad.stdout.split(mistake)).toHaveLength(2);
  expect(bad.stdout).toContain("> 5 |   launch: ({ entrypoint }) => ({ argv: [] }),\n");
  expect(bad.stdout).toContain("\n  hint: return { argv: [program, ...arguments]");

  const json = await project.cli("plugin", "check", "plugins/bad.ts", "-o", "json");
  expect(json.code).toBe(1);
  expect(json.json()).toMatchObject({ kind: "runtime", name: "awk", ok: false, cases: expect.any(Array) });
  expect(json.json<{ cases: object[] }>().cases[2]).toMatchObject({
    name: "launch says how to start an action",
    status: "failed",
    problem: { file: join(project.dir, "plugins/bad.ts"), line: 5, column: 3 },
  });
  expect((await project.cli("plugin", "check", "plugins/none.ts")).code).toBe(3);
});

test("scripts get the contracts as attune/testing, beside the plugins they try", async () => {
  const tryAll = `import { runAction } from "attune";
import { transportContract } from "attune/testing";
import journal from "../lib/journal.ts";

runAction(async () => {
  const cases = transportContract((context) => journal.open(context));
  for (const { run } of cases) await run(AbortSignal.timeout(10_000));
  return { kept: cases.length };
});
`;
  await using daemon = await startDaemon({
    packs: {
      "author/pack.yaml": "ref: author\nversion: 1.0.0\n",
      "author/lib/journal.ts": fixture("transport/journal.ts"),
      "author/actions/contract.yaml": "ref: author.contract\nentry_point: contract.ts\noutput_format: json\n",
      "author/actions/contract.ts": tryAll,
    },
  });
  const ran = await daemon.cli("run", "author.contract", "-o", "json");
  expect(ran.stderr).toBe("");
  expect(ran.json()).toMatchObject({ status: "completed", result: { data: { kept: 11 } } });
});
