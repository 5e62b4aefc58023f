import { nearest } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { EventView, RenderContext } from "../registry.ts";
import { errorAt } from "../spot.ts";
import { forbiddenKeys } from "../values.ts";
import { compileExpression, scopeOf } from "./expression.ts";
import { lookUp } from "./path.ts";

/** Reads what a template's body means; null when the event does not have it. Throws EXPRESSION_FAILED. */
export type Read = (event: EventView, context: RenderContext) => Json;

type Getter = (event: EventView, context: RenderContext) => Json;

/** The single values a path can name. */
const values: ReadonlyMap<string, Getter> = new Map<string, Getter>([
  ["event.id", (event) => event.id],
  ["event.trigger", (event) => event.trigger],
  ["event.trigger_ref", (event) => event.trigger],
  ["event.created", (event) => event.created],
  ["system.timestamp", (_, context) => context.timestamp],
  ["system.rule.id", (_, context) => context.rule.id],
  ["system.rule.ref", (_, context) => context.rule.ref],
]);
/** The objects a path can lead into. */
const roots: ReadonlyMap<string, Getter> = new Map<string, Getter>([
  ["event.payload", (event) => event.payload],
  ["payload", (event) => event.payload],
  ["trigger.payload", (event) => event.payload],
  ["pack.config", (_, context) => context.packConfig],
]);
const firstWords = new Set([...values.keys(), ...roots.keys()].map((name) => name.slice(0, name.search(/\.|$/))));

/**
 * What stands between `{{` and `}}`: a dotted path (`payload.items.0.user-name`), else a CEL expression.
 *
 * Throws EXPRESSION_INVALID; the spot's offset counts from the start of the body.
 */
export function compileBody(body: string): Read {
  if (/^[A-Za-z_]\w*(?:\.[\w-]+)*$/.test(body) && firstWords.has(body.split(".", 1)[0] ?? "")) return compilePath(body);
  const expression = compileExpression(body, "template");
  return (event, context) => expression.evaluate(templateScope(event, context));
}

function compilePath(body: string): Read {
  const single = values.get(body);
  if (single) return single;
  const path = body.split(".");
  const forbidden = path.find((key) => forbiddenKeys.has(key));
  if (forbidden) throw invalidPath(`\`${forbidden}\` is out of reach`);
  for (const size of [1, 2]) {
    const root = roots.get(path.slice(0, size).join("."));
    const rest = path.slice(size);
    if (root) return (event, context) => lookUp(root(event, context), rest) ?? null;
  }
  // `event`, `system` and the like as a whole.
  if ([...values.keys(), ...roots.keys()].some((name) => name.startsWith(`${body}.`))) {
    return (event, context) => lookUp(templateScope(event, context), path) ?? null;
  }
  const near = nearest(path.slice(0, 2).join("."), [...values.keys(), ...roots.keys()]);
  throw invalidPath(
    `\`${body}\` does not exist`,
    near ? `did you mean \`${near}\`?` : `known are ${[...values.keys(), ...roots.keys()].join(", ")}`,
  );
}

function invalidPath(message: string, hint?: string): Error {
  return errorAt("EXPRESSION_INVALID", message, { path: [], offset: 0 }, hint);
}

function templateScope(event: EventView, { packConfig, timestamp, rule }: RenderContext): JsonObject {
  return {
    ...scopeOf(event),
    trigger: { payload: event.payload },
    pack: { config: packConfig },
    system: { timestamp, rule: { id: rule.id, ref: rule.ref } },
  };
}
