import { AttuneError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { EventView, Render, RenderContext } from "../registry.ts";
import { errorAt, inside, spotOf } from "../spot.ts";
import { compileBody, type Read } from "./template-source.ts";
import { splitTemplate } from "./template-text.ts";

const largestResult = 1024 * 1024;
const deepest = 32;

type Node = { readonly kind: "constant"; readonly value: Json } | { readonly kind: "dynamic"; readonly read: Read };

/**
 * Compiles the `{{ }}` templates in a rule's action_params. A string that is one template and nothing else keeps the type
 * of its value, and is null when that is missing; within text, missing and null are empty, objects and lists JSON.
 * Object keys are never templates, and what a template yields is never looked at again.
 *
 * The result may share parts with the event and with other results: it is for reading only. Rendering throws
 * EXPRESSION_FAILED when an expression fails or the result exceeds 1 MiB of JSON.
 *
 * Throws EXPRESSION_INVALID with a spot such as `["message", 0]` and the offset in that string.
 */
export function compileTemplates(params: JsonObject): Render {
  const root = compileObject(params, deepest);
  if (root.kind === "constant") {
    const constant = root.value as JsonObject;
    return () => constant;
  }
  return (event, context) => {
    const rendered = root.read(event, context) as JsonObject;
    if (sizeOf(rendered, largestResult) > largestResult) throw tooLarge();
    return rendered;
  };
}

function compileValue(value: Json, depth: number): Node {
  if (typeof value === "string") return value.includes("{{") ? compileText(value) : { kind: "constant", value };
  if (typeof value !== "object" || value === null) return { kind: "constant", value };
  if (depth === 0) throw errorAt("EXPRESSION_INVALID", `nested more than ${deepest} deep`, { path: [] });
  return Array.isArray(value) ? compileList(value, depth) : compileObject(value, depth);
}

function compileList(list: readonly Json[], depth: number): Node {
  const items = list.map((item, i) => inside([i], () => compileValue(item, depth - 1)));
  if (items.every(isConstant)) return { kind: "constant", value: Object.freeze(items.map((item) => item.value)) as Json[] };
  return { kind: "dynamic", read: (event, context) => items.map((item) => resultOf(item, event, context)) };
}

function compileObject(object: JsonObject, depth: number): Node {
  const entries = Object.entries(object).map(([key, value]) => {
    if (key === "__proto__") throw errorAt("EXPRESSION_INVALID", "`__proto__` can't be a name", { path: [] });
    return [key, inside([key], () => compileValue(value, depth - 1))] as const;
  });
  const constants: JsonObject = {};
  for (const [key, node] of entries) constants[key] = isConstant(node) ? node.value : null;
  if (entries.every(([, node]) => isConstant(node))) return { kind: "constant", value: Object.freeze(constants) };
  const dynamic = entries.flatMap(([key, node]) => (isConstant(node) ? [] : [{ key, read: node.read }]));
  return {
    kind: "dynamic",
    read(event, context) {
      const rendered = { ...constants };
      for (const { key, read } of dynamic) rendered[key] = read(event, context);
      return rendered;
    },
  };
}

function compileText(source: string): Node {
  const parts = splitTemplate(source).map((part) => {
    if (part.kind === "text") return part.text;
    return shifted(part.offset, () => compileBody(part.body));
  });
  const [first] = parts;
  if (parts.length === 1 && typeof first === "function") return { kind: "dynamic", read: first };
  return {
    kind: "dynamic",
    read(event, context) {
      let text = "";
      for (const part of parts) {
        text += typeof part === "string" ? part : asText(part(event, context));
        if (text.length > largestResult) throw tooLarge();
      }
      return text;
    },
  };
}

/** Makes offsets within a template's body count from the start of the string it stands in. */
function shifted<T>(by: number, task: () => T): T {
  try {
    return task();
  } catch (error) {
    const spot = spotOf(error);
    if (!(error instanceof AttuneError) || spot?.offset === undefined) throw error;
    throw errorAt(error.code, error.message, { ...spot, offset: spot.offset + by }, error.hint);
  }
}

function isConstant(node: Node): node is Extract<Node, { kind: "constant" }> {
  return node.kind === "constant";
}

function resultOf(node: Node, event: EventView, context: RenderContext): Json {
  return node.kind === "constant" ? node.value : node.read(event, context);
}

function asText(value: Json): string {
  if (typeof value === "string") return value;
  return value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** About how many characters the value takes as JSON; stops counting beyond `limit`. */
function sizeOf(value: Json, limit: number): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null) return 5;
  const isList = Array.isArray(value);
  let size = 2;
  for (const [key, item] of Object.entries(value)) {
    size += (isList ? 1 : key.length + 4) + sizeOf(item, limit - size);
    if (size > limit) break;
  }
  return size;
}

function tooLarge(): AttuneError {
  return new AttuneError("EXPRESSION_FAILED", `the action's parameters are larger than ${largestResult / 1024} KiB`, {
    hint: "pass the parts of the payload that the action needs",
  });
}
