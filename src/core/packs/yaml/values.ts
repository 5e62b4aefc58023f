import { type Alias, type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node, type Pair, type YAMLMap } from "yaml";
import type { Json, JsonObject } from "../../plugin.ts";
import { forbiddenKeys } from "../../values.ts";
import type { Place } from "../problems.ts";
import { hintForKey } from "./syntax.ts";

export const MAX_DEPTH = 50;
const MAX_ALIASES = 20;
const PLAIN_TAG = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/;

type Report = (offset: number, message: string, hint?: string) => void;

/** The document as plain JSON. What JSON or PostgreSQL can't hold, or an author can't have meant, is reported with its offset. */
export function toJson(document: Document.Parsed, text: string, place: (offset: number) => Place, report: Report): Json {
  let aliases = 0;

  function convert(node: unknown, depth: number): Json {
    if (isAlias(node)) return follow(node, depth);
    if (isNode(node) && node.tag !== undefined && !PLAIN_TAG.test(node.tag)) {
      report(offsetOf(node), "tags are not supported", "remove the tag and write the plain value");
      return null;
    }
    if (isScalar(node)) return scalar(node.value, node.source ?? "", offsetOf(node));
    if (isSeq(node)) return node.items.map((item) => convert(item, depth + 1));
    if (isMap(node)) return mapping(node, depth);
    return null;
  }

  function follow(alias: Alias, depth: number): Json {
    const target = alias.resolve(document);
    if (!target) {
      report(
        offsetOf(alias),
        `*${alias.source} refers to an anchor &${alias.source} that does not exist above`,
        "put quotes around text that starts with *",
      );
      return null;
    }
    // Counted at each use, also of an alias within an anchor, so that what comes out is at most 21 times what was read.
    aliases += 1;
    if (aliases > MAX_ALIASES || depth > MAX_DEPTH) {
      if (aliases === MAX_ALIASES + 1)
        report(offsetOf(alias), `more than ${MAX_ALIASES} uses of aliases`, "write the values out");
      return null;
    }
    return convert(target, depth + 1);
  }

  function mapping(map: YAMLMap, depth: number): JsonObject {
    const result: JsonObject = {};
    const seen = new Map<string, number>();
    for (const pair of map.items) {
      const offset = offsetOf(pair.key, offsetOf(map));
      const key = keyText(pair);
      if (key === null) {
        report(offset, "a key must be a plain word", hintForKey(text, offset));
        continue;
      }
      const earlier = seen.get(key);
      if (earlier !== undefined) {
        const first = place(earlier);
        report(offset, `\`${key}\` is written twice, first at ${first.line}:${first.column}`, "remove one of the two");
      } else if (key === "<<") {
        report(offset, "merge keys (<<) are not supported", "write the values out, or use an alias for the whole value");
      } else if (forbiddenKeys.has(key)) {
        report(offset, `\`${key}\` can't be used as a key`, "choose another name");
      } else {
        seen.set(key, offset);
        result[key] = convert(pair.value, depth + 1);
      }
    }
    return result;
  }

  function scalar(value: unknown, source: string, offset: number): Json {
    if (typeof value === "string") {
      if (value.includes("\0")) report(offset, "the text holds a NUL character, which can't be stored", "remove it");
      else if (!value.isWellFormed())
        report(offset, "the text holds half of a surrogate pair, which can't be stored", "write the character itself");
      return value;
    }
    if (typeof value === "number") {
      if (!Number.isFinite(value)) report(offset, `${source} is not a number JSON can hold`, "put quotes around it");
      else if (Number.isInteger(value) && !Number.isSafeInteger(value) && !/[.eE]/.test(source.replace(/^0x.*/, ""))) {
        report(offset, `${source} is too large to be kept exactly`, "put quotes around it to keep every digit");
      }
      return value;
    }
    return typeof value === "boolean" ? value : null;
  }

  return convert(document.contents, 0);
}

/** The key as text; null when it is a list, a mapping or absent. */
export function keyText(pair: Pair): string | null {
  if (!isScalar(pair.key) || pair.key.value === null) return null;
  const { value, source } = pair.key;
  return typeof value === "string" ? value : (source ?? String(value));
}

export function offsetOf(node: unknown, otherwise = 0): number {
  return (node as Node | null | undefined)?.range?.[0] ?? otherwise;
}
