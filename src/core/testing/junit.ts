import { formatPosition } from "../errors.ts";
import type { CaseOutcome } from "./run-case.ts";
import type { PackOutcome } from "./test-pack.ts";

/** The outcomes as JUnit XML: a suite for each pack, a case for each test, an error for each mistake in a file. */
export function junitXml(packs: readonly PackOutcome[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${packs.map(suite).join("")}</testsuites>\n`;
}

function suite({ pack, problems, cases }: PackOutcome): string {
  const failures = cases.filter(({ misses }) => misses.length > 0).length;
  const total = { tests: cases.length + problems.length, failures, errors: problems.length };
  const time = seconds(cases.reduce((sum, { ms }) => sum + ms, 0));
  const mistakes = problems.map(({ file, line, column, message }) => {
    const at = formatPosition({ file, ...(line !== null && { line }), ...(column !== null && { column }) });
    return element("testcase", { classname: pack, name: at, time: "0" }, element("error", { message: `${at}: ${message}` }));
  });
  const attributes = { name: pack, ...total, time };
  return element("testsuite", attributes, [...cases.map((one) => testCase(pack, one)), ...mistakes].join(""));
}

function testCase(pack: string, { name, subject, file, line, ms, misses, printed }: CaseOutcome): string {
  const attributes = { classname: `${pack}.${file}`, name: `${subject}: ${name}`, file, ...(line !== null && { line }) };
  const lines = misses.map(({ what, expected, actual }) => `${what}: expected ${expected}, got ${actual}`);
  const failure = lines[0] === undefined ? "" : element("failure", { message: lines[0] }, escapeXml(lines.join("\n")));
  const output =
    failure && printed
      ? element("system-out", {}, escapeXml(printed.stdout)) + element("system-err", {}, escapeXml(printed.stderr))
      : "";
  return element("testcase", { ...attributes, time: seconds(ms) }, failure + output);
}

function element(name: string, attributes: Readonly<Record<string, string | number>>, content = ""): string {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(String(value))}"`);
  return content === "" ? `<${name}${words.join("")}/>\n` : `<${name}${words.join("")}>${content}</${name}>\n`;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(3);
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\n": "&#10;",
  "\r": "&#13;",
  "\t": "&#9;",
};
/** What XML 1.0 can't hold in any form is replaced. */
function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd")
    .replace(/[&<>"\n\r\t]/g, (char) => entities[char] ?? char);
}
