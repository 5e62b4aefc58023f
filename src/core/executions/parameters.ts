import { stringify } from "yaml";
import { variableName } from "../environment.ts";
import { AttuneError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { Action, ParameterFormat } from "../registry.ts";

/** How the parameters reach one run: a document for stdin, a document for a file, variables. */
export interface Delivery {
  readonly stdin: string | null;
  readonly file: string | null;
  readonly env: Readonly<Record<string, string>>;
}

/** Longer values, and all values together beyond eight times as much, are left out of the environment. */
const longestVariable = 64 * 1024;
const largestEnvironment = 8 * longestVariable;

/**
 * Decides how an action gets its parameters (contract 2.1 and 2.2). An action that states nothing gets both forms: a
 * JSON line on stdin and `ATTUNE_ACTION_<NAME>`. Secret parameters never go into the environment, where `ps` shows them.
 */
export function deliver(action: Pick<Action, "delivery" | "format" | "parameters">, parameters: JsonObject): Delivery {
  switch (action.delivery) {
    case "compat":
      return { stdin: document(parameters, "json"), file: null, env: variables(action, parameters) };
    case "env":
      return { stdin: null, file: null, env: { ...statement("env", action.format), ...variables(action, parameters) } };
    case "stdin":
      return { stdin: document(parameters, action.format), file: null, env: statement("stdin", action.format) };
    case "file":
      return { stdin: null, file: document(parameters, action.format), env: statement("file", action.format) };
  }
}

function statement(delivery: string, format: ParameterFormat): Record<string, string> {
  return { ATTUNE_PARAMETER_DELIVERY: delivery, ATTUNE_PARAMETER_FORMAT: format };
}

function variables(action: Pick<Action, "parameters">, parameters: JsonObject): Record<string, string> {
  const env: Record<string, string> = {};
  let size = 0;
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null || action.parameters[name]?.["secret"] === true) continue;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (text.includes("\0")) throw new AttuneError("PARAMETERS_INVALID", `${name}: a NUL character can't be passed in the environment`);
    size += text.length;
    if (text.length > longestVariable || size > largestEnvironment) continue;
    env[`ATTUNE_ACTION_${variableName(name)}`] = text;
  }
  return env;
}

/** The parameters as one document, ended by a newline. */
export function document(parameters: JsonObject, format: ParameterFormat): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(parameters)}\n`;
    case "yaml":
      return stringify(parameters);
    case "dotenv":
      return [...dotenv("", parameters)].sort().map((line) => `${line}\n`).join("");
  }
}

function* dotenv(prefix: string, value: Json): Generator<string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) yield* dotenv(prefix ? `${prefix}.${key}` : key, item);
    return;
  }
  const text = value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  yield `${prefix}='${text.replaceAll("'", "'\\''")}'`;
}
