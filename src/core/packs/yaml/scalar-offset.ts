import { isScalar, type Node } from "yaml";

/**
 * How far the character at `offset` of a text stands behind the start of its YAML scalar; 0, the scalar's start, where the
 * two can't be told to correspond: folded lines, and what is no text at all.
 */
export function offsetInSource(node: Node, source: string, offset: number): number {
  if (!isScalar(node) || typeof node.value !== "string" || !node.range) return 0;
  const written = source.slice(node.range[0], node.range[1]);
  switch (node.type) {
    case "PLAIN":
      return written === node.value ? offset : 0;
    case "QUOTE_SINGLE":
      return written.includes("\n") ? 0 : 1 + offset + node.value.slice(0, offset).split("'").length - 1;
    case "QUOTE_DOUBLE":
      return written.includes("\n") ? 0 : inDoubleQuotes(written, offset);
    case "BLOCK_LITERAL":
      return inBlock(written, node.value.slice(0, offset));
    default:
      return 0;
  }
}

const escapeLengths: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

function inDoubleQuotes(written: string, offset: number): number {
  let at = 1;
  for (let passed = 0; passed < offset; passed++) {
    at += written[at] === "\\" ? (escapeLengths[written[at + 1] ?? ""] ?? 2) : 1;
  }
  return at;
}

/** Each line of a `|` block is a line of its text, behind the indentation of the first that is not empty. */
function inBlock(written: string, before: string): number {
  const [header = "", ...lines] = written.split("\n");
  // With a stated indentation the first line does not show it.
  if (/\d/.test(header)) return 0;
  const indent = lines.find((line) => line.trim() !== "")?.search(/\S/) ?? 0;
  const passed = before.split("\n");
  const skipped = lines.slice(0, passed.length - 1).reduce((sum, line) => sum + line.length + 1, header.length + 1);
  return skipped + indent + (passed.at(-1)?.length ?? 0);
}
