import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { repository, runCommand } from "../support/script.ts";

const shells = ["/bin/dash", "/bin/bash", "/bin/sh"].filter(existsSync);
const run = (shell: string, name: string, env: Record<string, string>) =>
  runCommand([shell, resolve(repository, `packs/core/actions/${name}.sh`)], { env });

const hostile = [
  "$(touch /tmp/attune-was-here)",
  "`id`",
  "two\nlines\n",
  "-n -e",
  "--help",
  "back\\slash \\n \\c",
  "' ; exit 7 ; '",
  '" ; exit 7 ; "',
  "%s %d %",
  "*",
  "  spaces  ",
  "ünïcödé 🎈",
  "",
  "x".repeat(65_000),
];

describe.each(shells)("%s", (shell) => {
  test.each(hostile)("echo prints %j unchanged", async (message) => {
    expect(await run(shell, "echo", { ATTUNE_ACTION_MESSAGE: message })).toEqual({ code: 0, stdout: `${message}\n`, stderr: "" });
  });

  test.each(hostile)("noop and sleep print %j unchanged", async (message) => {
    const text = message === "" ? "" : `[NOOP] ${message}\n`;
    const noop = await run(shell, "noop", { ATTUNE_ACTION_MESSAGE: message });
    expect(noop).toEqual({ code: 0, stdout: `${text}No operation completed successfully\n`, stderr: "" });
    const sleep = await run(shell, "sleep", { ATTUNE_ACTION_MESSAGE: message, ATTUNE_ACTION_SECONDS: "0" });
    expect(sleep).toEqual({ code: 0, stdout: `${message === "" ? "" : `${message}\n`}Slept for 0 seconds\n`, stderr: "" });
  });

  test("echo greets when there is no message, and shouts", async () => {
    expect((await run(shell, "echo", {})).stdout).toBe("Hello, World!\n");
    expect((await run(shell, "echo", { ATTUNE_ACTION_MESSAGE: "-e ähm\\n", ATTUNE_ACTION_UPPERCASE: "true" })).stdout).toMatch(
      /^-E .HM\\N\n$/iu,
    );
    expect((await run(shell, "echo", { ATTUNE_ACTION_MESSAGE: "a", ATTUNE_ACTION_UPPERCASE: "false" })).stdout).toBe("a\n");
  });

  test("noop ends with the code it is given", async () => {
    for (const code of [0, 1, 3, 255]) {
      const result = await run(shell, "noop", { ATTUNE_ACTION_EXIT_CODE: String(code) });
      expect(result).toMatchObject({ code, stdout: "No operation completed successfully\n" });
    }
  });

  test.each(["256", "-1", "1; id", "$(id)", "1\n2", "99999999999999999999"])("noop refuses the exit code %j", async (value) => {
    const result = await run(shell, "noop", { ATTUNE_ACTION_EXIT_CODE: value });
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toContain(value);
  });

  test.each(["3601", "-1", "1.5", "1; id", "infinity", "99999999999999999999"])("sleep refuses %j seconds", async (value) => {
    const result = await run(shell, "sleep", { ATTUNE_ACTION_SECONDS: value });
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toContain(value);
  });
});

test("sleep sleeps", async () => {
  const started = performance.now();
  const result = await run("/bin/sh", "sleep", { ATTUNE_ACTION_SECONDS: "1", ATTUNE_ACTION_MESSAGE: "wait" });
  expect(result.stdout).toBe("wait\nSlept for 1 seconds\n");
  expect(performance.now() - started).toBeGreaterThan(990);
});

test("nothing was run out of a message", () => {
  expect(existsSync("/tmp/attune-was-here")).toBe(false);
});
