import { Environment } from "@marcbachmann/cel-js";
import { celFunctions } from "./cel-functions.ts";

/** Items that all loops of one evaluation may go over together: some 20 ms. */
const stepBudget = 50_000;

const limits = { maxAstNodes: 400, maxDepth: 32, maxListElements: 256, maxMapEntries: 64, maxCallArguments: 8 };

/** What can be named in the expressions of conditions, and in those of templates. */
export const variables = {
  condition: ["event", "payload"],
  template: ["event", "payload", "pack", "system", "trigger"],
} as const;
export type Variables = keyof typeof variables;

export interface Cel {
  readonly environment: Environment;
  /** To be called before each evaluation. */
  refill(): void;
  /** Takes from the budget what a value in a loop costs. Throws when it is used up. */
  charge(value: unknown): void;
}

/** An environment of CEL with our functions. One serves any number of expressions, since evaluation never awaits. */
export function makeCel(names: Variables): Cel {
  let left = 0;
  const spend = (units: number) => {
    left -= units;
    if (left < 0) throw new Error(`more than ${stepBudget} steps: the loops go over too many items`);
  };
  const environment = new Environment({ homogeneousAggregateLiterals: false, limits });
  for (const name of variables[names]) environment.registerVariable(name, "dyn");
  for (const [signature, handler] of celFunctions(spend)) environment.registerFunction(signature, handler, { async: false });
  registerOperators(environment);
  return {
    environment,
    refill() {
      left = stepBudget;
    },
    charge: (value) => spend(sizeOf(value)),
  };
}

function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return 1 + value.length;
  if (typeof value === "string") return 1 + value.length / 256;
  return typeof value === "object" && value !== null ? 1 + Object.keys(value).length : 1;
}

/** JSON has one kind of number, which CEL takes for a double, and literals such as `5` are ints: they must go together. */
function registerOperators(environment: Environment): void {
  const arithmetic: Record<string, (a: number, b: number) => number> = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": divide,
    "%": remainder,
  };
  for (const [operator, compute] of Object.entries(arithmetic)) {
    const mixed = (a: unknown, b: unknown) => compute(Number(a), Number(b));
    environment.registerOperator(`double ${operator} int: double`, mixed);
    environment.registerOperator(`int ${operator} double: double`, mixed);
  }
  environment.registerOperator("double % double: double", remainder);
  environment.registerOperator("string in string: bool", (part: string, text: string) => text.includes(part));
}

function divide(a: number, b: number): number {
  if (b === 0) throw new Error("division by zero");
  return a / b;
}

function remainder(a: number, b: number): number {
  if (b === 0) throw new Error("modulo by zero");
  return a % b;
}
