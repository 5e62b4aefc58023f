import { describe, expect, test } from "bun:test";
import { type Ended, outcomeOf } from "../../src/core/executions/result.ts";
import type { OutputFormat } from "../../src/core/registry.ts";

const ended = (stdout: string, more: Partial<Ended> = {}): Ended => ({
  exitCode: 0,
  durationMs: 5,
  succeeded: true,
  stdout: { text: stdout, truncated: false },
  stderr: { text: "", truncated: false },
  error: null,
  ...more,
});
const dataOf = (text: string, format: OutputFormat) => outcomeOf(ended(text), format).result["data"];
const failed = (stderr: string, exitCode = 1) =>
  outcomeOf(ended("", { exitCode, succeeded: false, stderr: { text: stderr, truncated: false } }), "text");

describe("structured output", () => {
  test.each<[OutputFormat, string, unknown]>([
    ["json", '{"a":1}\n', { a: 1 }],
    ["json", '{\n "a": 1\n}', { a: 1 }],
    ["json", 'log line\n{"a":1}\n\n', { a: 1 }],
    ["json", "null", null],
    ["json", "not json", undefined],
    ["json", "  \n", undefined],
    ["yaml", "a: 1\nb: [x]\n", { a: 1, b: ["x"] }],
    ["yaml", "a: [", undefined],
    ["jsonl", '{"a":1}\nnoise\n2\n', [{ a: 1 }, 2]],
    ["jsonl", "noise\n", undefined],
    ["text", '{"a":1}', undefined],
  ])("%s of %j is %j", (format, text, data) => {
    expect(dataOf(text, format)).toEqual(data as never);
  });

  test("what can't be parsed is kept as text and fails nothing", () => {
    expect(outcomeOf(ended("oops"), "json")).toEqual({
      result: { exit_code: 0, duration_ms: 5, succeeded: true, stdout: "oops" },
      error: null,
    });
    expect(outcomeOf(ended('{"a":1}'), "json").result).not.toHaveProperty("stdout");
  });

  test("of a failed or cut output nothing is parsed", () => {
    expect(outcomeOf(ended('{"a":1}', { exitCode: 1, succeeded: false }), "json").result).not.toHaveProperty("data");
    const cut = outcomeOf(ended('{"a":1}', { stdout: { text: '{"a":1}', truncated: true } }), "json").result;
    expect(cut).toMatchObject({ stdout: '{"a":1}', stdout_truncated: true });
    expect(cut).not.toHaveProperty("data");
  });

  test("bombs of nesting and of aliases end quickly", () => {
    const aliases = Array.from(
      { length: 20 },
      (_, i) =>
        `a${i}: &a${i} [${Array(9)
          .fill(i ? `*a${i - 1}` : "x")
          .join(",")}]`,
    ).join("\n");
    expect(dataOf(aliases, "yaml")).toBeUndefined();
    outcomeOf(ended("[".repeat(500_000)), "json");
    outcomeOf(ended("[".repeat(10_000)), "yaml");
  });
});

describe("failure", () => {
  test.each([
    ["one\ntwo\n", "one\ntwo"],
    ["1\n2\n3\n4\n5\nlast\n", "last"],
    ["", "Command exited with code 1"],
  ])("%j is told as %j", (stderr, error) => {
    expect(failed(stderr).error).toBe(error);
    expect(failed(stderr).result).toMatchObject({ exit_code: 1, succeeded: false, error });
  });

  test("a reason given from outside wins over what was printed", () => {
    const timeout = outcomeOf(
      ended("", {
        exitCode: -1,
        succeeded: false,
        error: "Execution timed out after 1 seconds",
        stderr: { text: "noise", truncated: false },
      }),
      "text",
    );
    expect(timeout).toMatchObject({
      error: "Execution timed out after 1 seconds",
      result: { exit_code: -1, stderr_log: "noise" },
    });
  });

  test("NUL and overlong texts are made storable, and say that they were cut", () => {
    const long = "x".repeat(70_000);
    const { result, error } = outcomeOf(
      ended(`\0${long}`, { exitCode: 2, succeeded: false, stderr: { text: `${long}\0`, truncated: false } }),
      "text",
    );
    expect(JSON.stringify(result)).not.toContain("\\u0000");
    expect(error?.length).toBeLessThanOrEqual(2_000);
    expect(result).toMatchObject({ stdout_truncated: true, stderr_truncated: true });
    expect(String(result["stdout"]).length).toBe(64 * 1024);
  });
});
