import { expect, test } from "bun:test";
import { codeFrame } from "../../src/core/code-frame.ts";

const text = "ref: p.r\ntrigger_ref: core.tick\nwhen: payloadd.x\nenabled: true\n";

test("shows the line between its neighbours and points at the column", () => {
  expect(codeFrame(text, 3, 7)).toBe(
    ["  2 | trigger_ref: core.tick", "> 3 | when: payloadd.x", "    |       ^", "  4 | enabled: true"].join("\n"),
  );
});

test("does without neighbours at the ends of the file", () => {
  expect(codeFrame(text, 1, 1)).toBe("> 1 | ref: p.r\n    | ^\n  2 | trigger_ref: core.tick");
  expect(codeFrame(text, 4, 10)).toBe("  3 | when: payloadd.x\n> 4 | enabled: true\n    |          ^");
  expect(codeFrame("a", 1, 99)).toBe("> 1 | a\n    |  ^");
  expect(codeFrame("a\n", 2, 1)).toBe("  1 | a\n> 2 |\n    | ^");
  expect(codeFrame("a\n", 9, 1)).toBe("");
});

test("line numbers of different widths are aligned", () => {
  const frame = codeFrame(Array.from({ length: 12 }, (_, i) => `line ${i + 1}`).join("\r\n"), 9, 6).split("\n");
  expect(frame).toEqual(["   8 | line 8", ">  9 | line 9", "     |      ^", "  10 | line 10"]);
});

test("what could act on a terminal is made visible, and the caret stays below its character", () => {
  expect(codeFrame("a:\n\tb: \u001b[2J\u202ex", 2, 10)).toBe(
    ["  1 | a:", "> 2 | \\tb: \\u001b[2J\\u202ex", "    |                     ^"].join("\n"),
  );
  expect(codeFrame("名前: x", 1, 5)).toBe("> 1 | 名前: x\n    |       ^");
});

test("of long lines only what is around the column is shown", () => {
  const long = `${"a".repeat(5_000)}HERE${"b".repeat(5_000)}`;
  const [before, faulty, caret] = codeFrame(`short\n${long}`, 2, 5_001).split("\n");
  expect(before).toBe("  1 | …");
  expect(faulty?.length).toBeLessThan(120);
  expect(faulty?.slice(caret?.indexOf("^"))).toStartWith("HERE");
  expect(faulty).toStartWith("> 2 | …a");
  expect(faulty).toEndWith("b…");
});
