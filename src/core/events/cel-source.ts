import type { ASTNode } from "@marcbachmann/cel-js";
import { forbiddenKeys } from "../values.ts";
import { replacedMethods } from "./cel-functions.ts";

/** CEL's loops over a list: `list.all(item, ...)`. */
const macros = new Set(["all", "exists", "exists_one", "filter", "map"]);

function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case "value":
    case "id":
      return [];
    case ".":
    case ".?":
      return [node.args[0]];
    case "call":
      return node.args[1];
    case "rcall":
      return [node.args[1], ...node.args[2]];
    case "map":
      return node.args.flat();
    case "!_":
    case "-_":
      return [node.args];
    default:
      return node.args;
  }
}

export function* allNodes(node: ASTNode): Generator<ASTNode> {
  yield node;
  for (const child of childrenOf(node)) yield* allNodes(child);
}

/** What an expression may not contain although it parses: the reason and where, or undefined. */
export function findForbidden(root: ASTNode): { reason: string; offset: number } | undefined {
  for (const node of allNodes(root)) {
    const key = keyOf(node);
    if (key !== undefined && forbiddenKeys.has(key)) return { reason: `\`${key}\` is out of reach`, offset: node.pos };
    // Bound values can double at each step, so a short expression could fill the memory.
    if (node.op === "id" && node.args === "cel") return { reason: "`cel.bind` is not available", offset: node.pos };
  }
  return undefined;
}

function keyOf(node: ASTNode): string | undefined {
  if (node.op === ".") return node.args[1];
  const index = node.op === "[]" ? node.args[1] : undefined;
  return index?.op === "value" && typeof index.args === "string" ? index.args : undefined;
}

/**
 * Lets `charge` see the list each loop goes over, before it does, and all that its body builds. Evaluation can't be
 * interrupted, and a loop within a loop over a large payload would not come to an end; `charge` ends it by throwing.
 */
export function meterLoops(root: ASTNode, charge: (value: unknown) => void): void {
  const metered = new Set<ASTNode>();
  for (const node of allNodes(root)) {
    if (node.op !== "rcall" || !isLoop(node)) continue;
    const [, list, [, ...body]] = node.args;
    metered.add(list);
    for (const part of body) for (const inner of allNodes(part)) if (buildsValue(inner)) metered.add(inner);
  }
  for (const node of metered) meter(node, charge);
}

function isLoop(node: ASTNode): boolean {
  return node.op === "rcall" && macros.has(node.args[0]) && node.args[2][0]?.op === "id" && node.args[2].length > 1;
}

function buildsValue(node: ASTNode): boolean {
  return node.op === "+" || node.op === "call" || node.op === "rcall" || node.op === "list";
}

type Evaluate = (evaluator: unknown, ast: unknown, context: unknown) => unknown;

/** A node picks its evaluator when first used, by assigning to its own `evaluate`; hence the accessor. */
function meter(node: ASTNode, charge: (value: unknown) => void): void {
  let evaluate = (node as unknown as { evaluate: Evaluate }).evaluate;
  const metered: Evaluate = (evaluator, ast, context) => {
    const value = evaluate.call(node, evaluator, ast, context);
    charge(value);
    return value;
  };
  Object.defineProperty(node, "evaluate", {
    get: () => metered,
    set: (picked: Evaluate) => {
      evaluate = picked;
    },
  });
}

/** Puts our methods in the place of CEL's, and hands out the patterns that are known already. */
export function replaceMethods(root: ASTNode, onPattern: (pattern: string, offset: number) => void): void {
  for (const node of allNodes(root)) {
    if (node.op !== "rcall" && node.op !== "call") continue;
    const pattern = node.op === "rcall" ? node.args[2][0] : node.args[1][1];
    const isMatch = node.args[0] === "matches" || node.args[0] === "match";
    if (isMatch && pattern?.op === "value" && typeof pattern.args === "string") onPattern(pattern.args, pattern.start);
    const replacement = node.op === "rcall" ? replacedMethods.get(node.args[0]) : undefined;
    if (replacement) node.args[0] = replacement;
  }
}
