import { describe, expect, test } from "bun:test";
import { renderRecord, renderTable } from "../../src/cli/table.ts";
import { duration, escapeControls, painter, safeOutput, shortTime } from "../../src/cli/text.ts";

const plain = painter(false);
const columns = [
  { header: "ID", value: (row: Row) => row.id },
  { header: "TEXT", value: (row: Row) => row.text, shrinks: true },
  { header: "N", value: (row: Row) => row.n, align: "right" as const },
];
interface Row {
  id: string;
  text: unknown;
  n: number | null;
}

describe("a table", () => {
  const rows: Row[] = [
    { id: "a", text: "short", n: 7 },
    { id: "bcd", text: "x".repeat(100), n: null },
  ];
  test("is never cut in a pipe and fits a terminal", () => {
    expect(renderTable(columns, rows, { width: undefined, paint: plain })).toContain("x".repeat(100));
    const lines = renderTable(columns, rows, { width: 30, paint: plain }).trimEnd().split("\n");
    expect(lines.map((line) => Bun.stringWidth(line))).toEqual([30, 30, 30]);
    expect(lines[2]).toContain("xxx…");
  });
  test("keeps what identifies a row whole, however narrow the terminal is", () => {
    const out = renderTable(columns, [{ id: "identifier-of-some-length", text: "y".repeat(50), n: 1 }], {
      width: 10,
      paint: plain,
    });
    expect(out).toContain("identifier-of-some-length");
    expect(out).toContain("yyyyyyy…");
  });
  test("measures wide characters and has one line a row", () => {
    const out = renderTable(
      columns,
      [
        { id: "日本", text: "a\nb\u001b[2J", n: 1 },
        { id: "é", text: { k: ["v"] }, n: 2 },
      ],
      { width: undefined, paint: plain },
    );
    expect(out.split("\n")).toEqual(["ID    TEXT           N", "日本  a\\nb\\u001b[2J  1", 'é     {"k":["v"]}    2', ""]);
  });
  test("is coloured without the colour counting as width", () => {
    const painted = renderTable(columns, rows, { width: 30, paint: painter(true) });
    expect(Bun.stripANSI(painted)).toBe(renderTable(columns, rows, { width: 30, paint: plain }));
    expect(painted).not.toBe(Bun.stripANSI(painted));
  });
});

test("a record indents what has several lines", () => {
  const out = renderRecord(
    [
      ["ref", "a.b"],
      ["payload", { a: 1 }],
      ["none", null],
    ],
    plain,
  );
  expect(out.split("\n")).toEqual(["ref      a.b", "payload  {", '           "a": 1', "         }", "none     -", ""]);
});

test("control characters and those that reorder text are made visible", () => {
  expect(escapeControls("a\u0007\u009b\u202e\r\n\tb")).toBe("a\\u0007\\u009b\\u202e\\r\\n\\tb");
  expect(safeOutput("\u001b[1;31mred\u001b[0m\n\u001b]0;title\u0007\u001b[2J")).toBe(
    "\u001b[1;31mred\u001b[0m\n\\u001b]0;title\\u0007\\u001b[2J",
  );
});

test("times are short", () => {
  const now = Date.parse("2026-11-23T10:00:00Z");
  const at = (iso: string | null) => shortTime(iso, now);
  expect([
    at("2026-11-23T09:59:48Z"),
    at("2026-11-23T09:57:00Z"),
    at("2026-11-23T05:00:00Z"),
    at("2026-11-20T13:45:10Z"),
    at(null),
  ]).toEqual(["12s ago", "3m ago", "5h ago", "2026-11-20 13:45Z", "-"]);
  const took = (to: string | null) => duration("2026-11-23T10:00:00.000Z", to);
  expect([took("2026-11-23T10:00:00.035Z"), took("2026-11-23T10:00:01.400Z"), took("2026-11-23T10:02:05Z"), took(null)]).toEqual([
    "35ms",
    "1.4s",
    "2m05s",
    "-",
  ]);
});
