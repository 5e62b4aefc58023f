import { errorAt } from "../spot.ts";

/** A string cut at its `{{ }}`. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "template"; readonly body: string; readonly offset: number };

/**
 * Cuts a string into text and templates. A template ends at the first `}}` that is neither within quotes nor closes a
 * brace of its own. Throws EXPRESSION_INVALID for an empty template and one without an end.
 */
export function splitTemplate(source: string): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (;;) {
    const open = source.indexOf("{{", at);
    if (open < 0) break;
    const close = findEnd(source, open + 2);
    if (close === undefined) throw fault("`{{` without its `}}`", open, 'to write the braces themselves: {{ "{{" }}');
    const body = source.slice(open + 2, close).trim();
    if (body === "") throw fault("an empty `{{ }}`", open);
    if (open > at) parts.push({ kind: "text", text: source.slice(at, open) });
    parts.push({ kind: "template", body, offset: source.indexOf(body, open + 2) });
    at = close + 2;
  }
  if (at < source.length) parts.push({ kind: "text", text: source.slice(at) });
  return parts;
}

function findEnd(source: string, start: number): number | undefined {
  let quote: string | undefined;
  let braces = 0;
  for (let i = start; i < source.length; i++) {
    const character = source.charAt(i);
    if (quote) {
      if (character === "\\") i++;
      else if (character === quote) quote = undefined;
    } else if (character === '"' || character === "'") quote = character;
    else if (character === "{") braces++;
    else if (character === "}" && braces > 0) braces--;
    else if (character === "}" && source.charAt(i + 1) === "}") return i;
  }
  return undefined;
}

function fault(reason: string, offset: number, hint?: string): Error {
  return errorAt("EXPRESSION_INVALID", reason, { path: [], offset }, hint);
}
