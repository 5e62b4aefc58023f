import { type Document, visit, type YAMLError } from "yaml";

interface Explanation {
  readonly message: string;
  readonly hint: string;
}

const QUOTE = "put quotes around the value";

const SAME_COLUMN = "start the line in the same column as the others of its list or mapping";
const TEMPLATE_HINT = "put quotes around a template: '{{ ... }}'";

/** What the YAML library found, in an author's words. */
export function explainSyntax(error: YAMLError, text: string): Explanation {
  const { message, hint } = explain(error, text);
  return { message, hint: lineAt(text, error.pos[0]).includes(": {{") ? TEMPLATE_HINT : hint };
}

function explain(error: YAMLError, text: string): Explanation {
  const offset = error.pos[0];
  switch (error.code) {
    case "TAB_AS_INDENT":
      return { message: "a tab is used for indentation", hint: "YAML allows only spaces there; replace the tab with spaces" };
    case "BAD_INDENT": {
      const bracket = /end with a (.)/.exec(error.message)?.[1];
      if (bracket) return { message: "a bracket above this line is not closed", hint: `end the list or mapping with ${bracket}` };
      return { message: plain(error), hint: SAME_COLUMN };
    }
    case "BAD_COLLECTION_TYPE":
      return { message: plain(error), hint: SAME_COLUMN };
    case "MULTILINE_IMPLICIT_KEY":
      return {
        message: "a key and its value can't be told apart",
        hint: "write a space after the colon, and check the indentation",
      };
    case "BLOCK_AS_IMPLICIT_KEY":
      return { message: "a second colon in one value", hint: `${QUOTE}, or check the indentation` };
    case "BAD_SCALAR_START":
    case "BAD_ALIAS":
      return { message: plain(error), hint: `${QUOTE}: text can't start with ${JSON.stringify(text[offset] ?? "")}` };
    case "BAD_DQ_ESCAPE":
      return { message: plain(error), hint: "use single quotes, or write each backslash twice" };
    case "TAG_RESOLVE_FAILED":
      return { message: "tags are not supported", hint: "remove the tag and write the plain value" };
    case "MISSING_CHAR":
      return missingChar(error, text);
    case "BAD_DIRECTIVE":
      return { message: plain(error), hint: `${QUOTE} when the line is text that starts with %` };
    default:
      return { message: plain(error), hint: "check the quotes, brackets, colons and indentation up to this place" };
  }
}

function missingChar(error: YAMLError, text: string): Explanation {
  if (/followed by map values/.test(error.message)) {
    const line = lineAt(text, error.pos[0]).trim();
    return {
      message: "this line is not of the form `name: value`",
      hint: `write a ${line.includes(":") ? "space after the" : "name and a"} colon`,
    };
  }
  const quote = /closing (["'])quote/.exec(error.message)?.[1];
  if (quote) return { message: `the quote ${quote} is never closed`, hint: `end the text with ${quote}` };
  return { message: plain(error), hint: "close every bracket, and write a space after a colon" };
}

/** Where to point: the library reports an unclosed quote at the end of the file, an author looks for its start. */
export function placeOfFlaw(error: YAMLError, document: Document.Parsed): number {
  let offset = error.pos[0];
  if (error.code !== "MISSING_CHAR" || !/closing .quote/.test(error.message)) return offset;
  visit(document, {
    Scalar(_, { type, range }) {
      if (type?.startsWith("QUOTE_") && range && range[0] <= error.pos[0] && error.pos[0] <= range[1]) offset = range[0];
    },
  });
  return offset;
}

function lineAt(text: string, offset: number): string {
  const end = text.indexOf("\n", offset);
  return text.slice(text.lastIndexOf("\n", offset - 1) + 1, end < 0 ? undefined : end);
}

/** Why a key is not a word: mostly a template that YAML takes for a mapping. */
export function hintForKey(text: string, offset: number): string {
  const before = text.slice(0, offset + 1);
  return /\{\s*\{$/.test(before) ? TEMPLATE_HINT : "write `name: value`";
}

function plain(error: YAMLError): string {
  return error.message.charAt(0).toLowerCase() + error.message.slice(1);
}
