import { errorAt } from "../spot.ts";

interface Token {
  readonly kind: "word" | "number" | "string" | "sign" | "end";
  readonly text: string;
  readonly offset: number;
}
/** A piece of CEL, and whether it can only yield true or false. */
interface Piece {
  readonly cel: string;
  readonly truth: boolean;
}

const tokenPattern =
  /\s+|(?<string>[rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))|(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<word>[A-Za-z_]\w*)|(?<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!()[\]{}.,:?])/y;
const comparisons = new Set(["==", "!=", "<", "<=", ">", ">=", "in"]);
const arithmetic = new Set(["+", "-", "*", "/", "%"]);
const constants: ReadonlyMap<string, string> = new Map([
  ["None", "null"],
  ["True", "true"],
  ["False", "false"],
]);
const unsupported: ReadonlyMap<string, string> = new Map([
  ["if", "write condition ? yes : no"],
  ["is", "write == null"],
  ["lambda", "write list.exists(item, ...)"],
  ["for", "write list.map(item, ...)"],
]);
const deepest = 32;

/**
 * Translates the contract's expression language to CEL: `and`, `or`, `not` and `not in`, judged by truth as Python does, and
 * negative list indexes. What both languages share passes as it is, CEL's own `&&`, `||`, `!` and `?:` among it.
 *
 * Throws EXPRESSION_INVALID that names what has no translation; its spot has an empty path and the offset in `source`.
 */
export function toCel(source: string): string {
  const tokens = tokenize(source);
  let next = 0;
  let depth = 0;
  const peek = () => tokens[next] as Token;
  const take = () => tokens[next++] as Token;
  const isNext = (...texts: string[]) => peek().kind !== "string" && texts.includes(peek().text);
  const expect = (text: string) => {
    if (!isNext(text)) throw unexpected(peek(), `expected \`${text}\``);
    take();
  };

  function whole(): Piece {
    if (++depth > deepest) throw fault(peek().offset, `nested more than ${deepest} deep`);
    const condition = joined(["or", "||"], "||", () => joined(["and", "&&"], "&&", negation));
    depth--;
    if (!isNext("?")) return condition;
    take();
    const yes = whole();
    expect(":");
    const no = whole();
    return { cel: `(${asTruth(condition)} ? dyn(${yes.cel}) : dyn(${no.cel}))`, truth: yes.truth && no.truth };
  }

  function joined(words: string[], sign: string, part: () => Piece): Piece {
    const parts = [part()];
    while (isNext(...words)) {
      take();
      parts.push(part());
    }
    const [only] = parts;
    return parts.length === 1 && only ? only : { cel: `(${parts.map(asTruth).join(` ${sign} `)})`, truth: true };
  }

  function negation(): Piece {
    let negations = 0;
    while (isNext("not", "!")) {
      take();
      negations++;
    }
    const operand = comparison();
    if (negations === 0) return operand;
    return { cel: `${negations % 2 === 1 ? "!" : ""}${asTruth(operand)}`, truth: true };
  }

  function comparison(): Piece {
    const left = sum();
    const sign = peek();
    const negated = isNext("not");
    if (negated) take();
    if (sign.kind === "string" || !comparisons.has(peek().text)) {
      if (negated) throw unexpected(peek(), "expected `in`");
      return left;
    }
    const operator = take();
    if (negated && operator.text !== "in") throw unexpected(operator, "expected `in`");
    const right = sum();
    if (peek().kind !== "string" && comparisons.has(peek().text)) {
      throw fault(peek().offset, "comparisons can't be chained", "write a < b and b < c");
    }
    return { cel: `${negated ? "!" : ""}(${left.cel} ${operator.text} ${right.cel})`, truth: true };
  }

  function sum(): Piece {
    const first = signed();
    let cel = first.cel;
    let terms = 1;
    while (peek().kind === "sign" && arithmetic.has(peek().text)) {
      cel += ` ${take().text} ${signed().cel}`;
      terms++;
    }
    return terms === 1 ? first : { cel, truth: false };
  }

  function signed(): Piece {
    let minus = "";
    while (isNext("-")) {
      take();
      minus = minus === "" ? "-" : "";
    }
    const value = postfix();
    return minus ? { cel: `${minus}${value.cel}`, truth: false } : value;
  }

  function postfix(): Piece {
    let { cel, truth } = primary();
    for (;;) {
      if (isNext(".")) {
        take();
        const name = take();
        if (name.kind !== "word") throw unexpected(name, "expected a name");
        cel += `.${name.text}`;
      } else if (isNext("[")) {
        take();
        const isNegative = isNext("-");
        const index = whole();
        expect("]");
        cel = isNegative ? `at(${cel}, ${index.cel})` : `${cel}[${index.cel}]`;
      } else if (isNext("(")) {
        take();
        cel += `(${list(")", () => whole().cel)})`;
      } else return { cel, truth };
      truth = false;
    }
  }

  function primary(): Piece {
    const token = take();
    if (token.kind === "word") {
      const hint = unsupported.get(token.text);
      if (hint) throw fault(token.offset, `\`${token.text}\` is not part of the expression language`, hint);
      if (["and", "or", "not", "in"].includes(token.text)) throw unexpected(token, "expected a value");
      const cel = constants.get(token.text) ?? token.text;
      return { cel, truth: cel === "true" || cel === "false" };
    }
    if (token.kind === "number" || token.kind === "string") return { cel: token.text, truth: false };
    if (token.text === "[") return { cel: `[${list("]", () => whole().cel)}]`, truth: false };
    if (token.text === "{") return { cel: `{${list("}", entry)}}`, truth: false };
    if (token.text !== "(") throw unexpected(token, "expected a value");
    const inner = whole();
    expect(")");
    return { cel: `(${inner.cel})`, truth: inner.truth };
  }

  function entry(): string {
    const key = whole();
    expect(":");
    return `${key.cel}: ${whole().cel}`;
  }

  function list(closing: string, item: () => string): string {
    const items: string[] = [];
    while (!isNext(closing)) {
      items.push(item());
      if (!isNext(",")) break;
      take();
    }
    expect(closing);
    return items.join(", ");
  }

  const translated = whole();
  if (peek().kind !== "end") throw unexpected(peek());
  return translated.cel;
}

function asTruth(piece: Piece): string {
  return piece.truth ? piece.cel : `truthy(${piece.cel})`;
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  while (offset < source.length) {
    tokenPattern.lastIndex = offset;
    const match = tokenPattern.exec(source);
    if (!match) throw fault(offset, `unexpected ${describe(source, offset)}`);
    for (const kind of ["string", "number", "word", "sign"] as const) {
      const text = match.groups?.[kind];
      if (text !== undefined) tokens.push({ kind, text, offset });
    }
    offset += match[0].length;
  }
  return [...tokens, { kind: "end", text: "", offset: source.length }];
}

function describe(source: string, offset: number): string {
  const character = String.fromCodePoint(source.codePointAt(offset) ?? 0);
  if (character === "|") return "`|`: the expression language has no filters";
  return character === '"' || character === "'" ? "text without a closing quote" : `\`${character}\``;
}

function unexpected(token: Token, wanted?: string): Error {
  const found = token.kind === "end" ? "the expression ends too early" : `unexpected \`${token.text}\``;
  return fault(token.offset, wanted ? `${found}, ${wanted}` : found, unsupported.get(token.text));
}

function fault(offset: number, reason: string, hint?: string): Error {
  return errorAt("EXPRESSION_INVALID", reason, { path: [], offset }, hint);
}
