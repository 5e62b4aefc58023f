import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand, typescriptCommand } from "../support/script.ts";

const directory = mkdtempSync(join(tmpdir(), "attune-sdk-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs an action whose body is `main`, in a directory where nothing is installed. */
function runMain(main: string, options: Parameters<typeof runCommand>[1] = {}) {
  const file = join(directory, `${Bun.hash(main)}.ts`);
  writeFileSync(file, `import { ActionFailure, runAction } from "attune";\nawait runAction(${main});\n`);
  return runCommand(typescriptCommand(file), options);
}

test("parameters in, one line of JSON out", async () => {
  const { code, stdout, stderr } = await runMain("(p) => ({ sum: p.a + p.b })", { stdin: '{"a":1,"b":2}\n' });
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '{"sum":3}\n', stderr: "" });
});

test.each([
  ["nothing on stdin is {}", "(p) => p", "", "{}\n"],
  ["blank stdin is {}", "(p) => p", " \n", "{}\n"],
  ["null is {}", "() => null", "{}", "{}\n"],
  ["nothing returned is {}", "async () => {}", "{}", "{}\n"],
  ["false stays false", "() => false", "{}", "false\n"],
])("%s", async (_what, main, stdin, stdout) => {
  expect(await runMain(main, { stdin })).toMatchObject({ code: 0, stdout });
});

test("the context comes from the environment", async () => {
  const env = {
    ATTUNE_ACTION: "p.a",
    ATTUNE_PACK_REF: "p",
    ATTUNE_EXEC_ID: "e1",
    ATTUNE_API_URL: "http://127.0.0.1:9",
    ATTUNE_API_TOKEN: "t",
    ATTUNE_RULE: "p.r",
    ATTUNE_TRIGGER: "p.t",
  };
  const full = await runMain("(_, context) => context", { env });
  expect(JSON.parse(full.stdout)).toEqual({
    action: "p.a",
    pack: "p",
    executionId: "e1",
    apiUrl: "http://127.0.0.1:9",
    apiToken: "t",
    rule: "p.r",
    trigger: "p.t",
  });
  const bare = await runMain("(_, context) => context");
  expect(JSON.parse(bare.stdout)).toMatchObject({ apiUrl: "http://localhost:8080", apiToken: null, rule: null });
});

test("an exception is the result, exit code 1 and the last line of stderr", async () => {
  const { code, stdout, stderr } = await runMain('() => { throw new Error("no such host") }');
  expect({ code, stdout }).toEqual({ code: 1, stdout: '{"success":false,"error":"no such host"}\n' });
  expect(stderr.trimEnd().split("\n").at(-1)).toBe("no such host");
  expect(stderr).toMatch(/\.ts:2/);
});

test("an ActionFailure carries fields of its own, and can't pose as a success", async () => {
  const { code, stdout, stderr } = await runMain('() => { throw new ActionFailure("down", { status: 503, success: true }) }');
  expect({ code, stderr }).toEqual({ code: 1, stderr: "down\n" });
  expect(JSON.parse(stdout)).toEqual({ status: 503, success: false, error: "down" });
});

test.each([
  ["[1]", "not a JSON object"],
  ["nope", "not JSON"],
  ["null", "not a JSON object"],
])("refuses %s as parameters", async (stdin, message) => {
  const { code, stdout } = await runMain("(p) => p", { stdin });
  expect(code).toBe(1);
  expect(JSON.parse(stdout).error).toContain(message);
});

test("what can't be printed as JSON is a failure", async () => {
  const { code, stdout } = await runMain("() => ({ big: 1n })");
  expect(code).toBe(1);
  expect(JSON.parse(stdout).success).toBe(false);
});

test("a large result arrives whole, and what is still open does not keep the process", async () => {
  const main = '() => { setInterval(() => {}, 1000); return "x".repeat(5_000_000) }';
  const { code, stdout } = await runMain(main);
  expect({ code, length: stdout.length }).toEqual({ code: 0, length: 5_000_003 });
});

test("a program the script starts is not turned into bun", async () => {
  const env = { BUN_BE_BUN: "1" };
  expect((await runMain("() => ({ value: process.env.BUN_BE_BUN ?? null })", { env })).stdout).toBe('{"value":null}\n');
});
