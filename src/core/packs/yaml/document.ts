import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
} from "yaml";
import type { JsonObject, Problem } from "../../plugin.ts";
import { mistake, type Place } from "../problems.ts";
import { offsetInSource } from "./scalar-offset.ts";
import { explainSyntax, placeOfFlaw } from "./syntax.ts";
import { keyText, MAX_DEPTH, offsetOf, toJson } from "./values.ts";

export const MAX_YAML_BYTES = 256 * 1024;

/** One YAML file: its value, and where in the file each part of it stands. */
export interface PackDocument {
  readonly file: string;
  readonly value: JsonObject;
  /**
   * Place of the value at `path`, of its key, or of that many characters into its text. A path that leads nowhere gives the
   * place of the deepest part that exists, which is where the missing part belongs.
   */
  readonly at: (path: readonly (string | number)[], of?: "key" | "value" | number) => Place;
}

export type ParseResult =
  | { readonly document: PackDocument }
  | { readonly document: null; readonly problems: readonly [Problem, ...Problem[]] };

/**
 * Reads one YAML document whose root is a mapping, as plain JSON. `file` only names it in problems.
 *
 * Refused with a position: more than 256 KiB, invalid UTF-8, several documents, nesting deeper than 50, more than 20 uses of aliases,
 * merge keys, tags, repeated keys, keys that reach prototypes, numbers that JSON or a double can't hold, NUL characters.
 */
export function parseDocument(bytes: Uint8Array, file: string): ParseResult {
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const refuse = (at: Place | null, message: string, hint?: string): ParseResult => ({
    document: null,
    problems: [mistake(file, at, message, hint)],
  });

  if (bytes.byteLength > MAX_YAML_BYTES) {
    return refuse(null, `the file is larger than the ${MAX_YAML_BYTES / 1024} KiB allowed`, "move data out of the YAML file");
  }
  const text = decode(bytes);
  if (typeof text !== "string") return refuse(text, "the file is not valid UTF-8", "save it with the encoding UTF-8");

  const composed = compose(text, lines);
  if ("tooDeepAt" in composed) {
    return refuse(
      place(composed.tooDeepAt),
      `nested deeper than ${MAX_DEPTH} levels`,
      "put quotes around text with many brackets",
    );
  }
  const [document, second] = composed.documents;
  if (second)
    return refuse(
      place(second.range[0]),
      "the file holds more than one YAML document",
      "remove the line with ---, or use one file each",
    );
  if (!document?.contents)
    return refuse({ line: 1, column: 1 }, "the file is empty", "see docs/pack-structure.md for what belongs here");
  const flaw = document.errors[0] ?? document.warnings[0];
  if (flaw) {
    const { message, hint } = explainSyntax(flaw, text);
    return refuse(place(placeOfFlaw(flaw, document)), message, hint);
  }
  const { yaml } = document.directives;
  if (yaml.explicit && yaml.version !== "1.2")
    return refuse({ line: 1, column: 1 }, `YAML ${yaml.version} is not supported`, "remove the %YAML line");

  const problems: Problem[] = [];
  const value = toJson(document, text, place, (offset, message, hint) =>
    problems.push(mistake(file, place(offset), message, hint)),
  );
  const [first, ...rest] = problems;
  if (first) return { document: null, problems: [first, ...rest] };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const found = Array.isArray(value) ? "a list" : "a single value";
    return refuse(
      place(document.contents.range[0]),
      `expected lines of the form \`name: value\`, found ${found}`,
      "is a space missing after a colon?",
    );
  }
  return { document: { file, value, at: locator(document, text, place) } };
}

/** The text, or the place of the first byte that is not UTF-8. */
function decode(bytes: Uint8Array): string | Place {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // Decoded again leniently, only to say where: the first replacement character stands at the first bad byte.
    const before = new TextDecoder().decode(bytes).split("\uFFFD", 1)[0] ?? "";
    return { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
  }
}

type Composed = { readonly documents: readonly Document.Parsed<ParsedNode>[] } | { readonly tooDeepAt: number };

/** The library's own steps one by one: composing recurses, so the depth must be known before it starts. */
function compose(text: string, lines: LineCounter): Composed {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    // The document and the scalar being read are on the stack too.
    if (parser.stack.length > MAX_DEPTH + 2) return { tooDeepAt: parser.offset };
  }
  for (const token of parser.end()) tokens.push(token);
  // Repeated keys are found in toJson, with both places and without comparing every pair of keys.
  const composer = new Composer<ParsedNode>({ uniqueKeys: false, prettyErrors: false, version: "1.2" });
  return { documents: [...composer.compose(tokens, true, text.length)] };
}

function locator(document: Document.Parsed, text: string, place: (offset: number) => Place): PackDocument["at"] {
  const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  return (path, of = "value") => {
    let node: unknown = document.contents;
    let offset = firstKeyOffset(node);
    for (const [index, segment] of path.entries()) {
      const parent = resolve(node);
      const last = index === path.length - 1;
      if (isMap(parent)) {
        const pair = parent.items.find((item) => keyText(item) === String(segment));
        if (!pair) return place(offset);
        node = pair.value;
        const key = offsetOf(pair.key, offset);
        offset = (last && of === "key") || isAbsent(node) ? key : offsetOf(node, key);
      } else if (isSeq(parent)) {
        const item = parent.items[Number(segment)];
        if (item === undefined) return place(offset);
        node = item;
        offset = offsetOf(node, offset);
      } else return place(offset);
    }
    return place(typeof of === "number" && isNode(node) ? offset + offsetInSource(node, text, of) : offset);
  };
}

function firstKeyOffset(node: unknown): number {
  return offsetOf(isMap(node) ? node.items[0]?.key : node);
}

/** `key:` with nothing after it, for which the library reports a place somewhere behind the colon. */
function isAbsent(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null && !node.source);
}
