import { stringify } from "yaml";
import { variableName } from "../environment.ts";
import { AttuneError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { Action, ParameterFormat } from "../registry.ts";
import { holdsSecret } from "../schema/secrets.ts";

/** How the parameters reach one run: a document for stdin, a document for a file, variables. */
export interface Delivery {
  readonly stdin: string | null;
  readonly file: string | null;
  readonly env: Readonly<Record<string, string>>;
}

/** Bytes. Longer values, and all values together beyond eight times as much, are left out of the environment. */
const longestVariable = 64 * 1024;
const largestEnvironment = 8 * longestVariable;

/**
 * Decides how an action gets its parameters (contract 2.1 and 2.2). An action that states nothing gets both forms: a
 * JSON line on stdin and `ATTUNE_ACTION_<NAME>`. What can't go into the environment - secret parameters, which `ps` would
 * show, too long values, NUL characters - comes by stdin only, also when the action asked for the environment. Throws
 * PARAMETERS_INVALID for what the format can't express.
 */
export function deliver(action: Pick<Action, "delivery" | "format" | "parameters">, parameters: JsonObject): Delivery {
  switch (action.delivery) {
    case "compat":
      return { stdin: document(parameters, "json"), file: null, env: variables(action, parameters).env };
    case "env": {
      const { env, complete } = variables(action, parameters);
      return {
        stdin: complete ? null : document(parameters, "json"),
        file: null,
        env: { ...statement("env", action.format), ...env },
      };
    }
    case "stdin":
      return { stdin: document(parameters, action.format), file: null, env: statement("stdin", action.format) };
    case "file":
      return { stdin: null, file: document(parameters, action.format), env: statement("file", action.format) };
  }
}

function statement(delivery: string, format: ParameterFormat): Record<string, string> {
  return { ATTUNE_PARAMETER_DELIVERY: delivery, ATTUNE_PARAMETER_FORMAT: format };
}

function variables(action: Pick<Action, "parameters">, parameters: JsonObject) {
  const env: Record<string, string> = {};
  let complete = true;
  let total = 0;
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) continue;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const size = Buffer.byteLength(text);
    if (
      holdsSecret(action.parameters[name]) ||
      text.includes("\0") ||
      size > longestVariable ||
      total + size > largestEnvironment
    ) {
      complete = false;
      continue;
    }
    total += size;
    env[`ATTUNE_ACTION_${variableName(name)}`] = text;
  }
  return { env, complete };
}

/** The parameters as one document, ended by a newline. */
export function document(parameters: JsonObject, format: ParameterFormat): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(parameters)}\n`;
    case "yaml":
      return stringify(parameters);
    case "dotenv":
      return [...dotenv("", parameters)]
        .sort()
        .map((line) => `${line}\n`)
        .join("");
  }
}

function* dotenv(prefix: string, value: Json): Generator<string> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) {
      // Whatever reads the lines would take the rest of such a key for something else.
      if (/[\0\r\n='"]/.test(key))
        throw new AttuneError("PARAMETERS_INVALID", `the key ${JSON.stringify(key)} can't be written as dotenv`);
      yield* dotenv(prefix ? `${prefix}.${key}` : key, item);
    }
    return;
  }
  const text = value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  yield `${prefix}='${text.replaceAll("'", "'\\''")}'`;
}
