import type { Awaitable, JsonObject } from "../core/plugin.ts";
import { isObject, messageOf } from "./json.ts";
import { logLine, writeLines } from "./output.ts";

/** What the daemon says about the execution an action runs in. A name the daemon did not set is null. */
export interface ActionContext {
  /** Ref of the action, `pack.name`. */
  readonly action: string | null;
  readonly pack: string | null;
  readonly executionId: string | null;
  /** Default: `http://localhost:8080`. */
  readonly apiUrl: string;
  readonly apiToken: string | null;
  /** Ref of the rule that asked for the execution; null when a person did. */
  readonly rule: string | null;
  readonly trigger: string | null;
}

/** Thrown by an action to fail with a result: the fields are printed beside `success` and `error`. */
export class ActionFailure extends Error {
  override readonly name = "ActionFailure";
  readonly result: JsonObject;

  constructor(message: string, result: JsonObject = {}) {
    super(message);
    this.result = result;
  }
}

/**
 * Runs the body of an action: reads the parameters as one JSON object from stdin (nothing there means `{}`), and prints
 * what `main` returns as one line of JSON (nothing returned means `{}`). When `main` throws, prints
 * `{"success":false,"error":"..."}` and exits 1. The process ends with the result, whatever else is still open in it.
 *
 * The action's YAML needs `parameter_delivery: stdin`, `parameter_format: json` and `output_format: json`.
 */
export async function runAction<Parameters extends object = JsonObject>(
  main: (parameters: Parameters, context: ActionContext) => Awaitable<unknown>,
): Promise<never> {
  try {
    const parameters = parseParameters(await Bun.stdin.text());
    const result = (await main(parameters as Parameters, readActionContext(process.env))) ?? {};
    await writeLines(`${JSON.stringify(result)}\n`);
  } catch (thrown) {
    return await fail(thrown);
  }
  process.exit(0);
}

function readActionContext(env: NodeJS.ProcessEnv): ActionContext {
  return {
    action: env["ATTUNE_ACTION"] ?? null,
    pack: env["ATTUNE_PACK_REF"] ?? null,
    executionId: env["ATTUNE_EXEC_ID"] ?? null,
    apiUrl: env["ATTUNE_API_URL"] ?? "http://localhost:8080",
    apiToken: env["ATTUNE_API_TOKEN"] ?? null,
    rule: env["ATTUNE_RULE"] ?? null,
    trigger: env["ATTUNE_TRIGGER"] ?? null,
  };
}

/** Parameters from the text on stdin; throws when it is anything but a JSON object or blank. */
function parseParameters(text: string): JsonObject {
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ActionFailure(`the parameters on stdin are not JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw new ActionFailure("the parameters on stdin are not a JSON object");
  return value;
}

async function fail(thrown: unknown): Promise<never> {
  const message = messageOf(thrown);
  const result = thrown instanceof ActionFailure ? thrown.result : {};
  // The daemon shows the last line of a long stderr as the reason, so the message comes after the stack.
  if (!(thrown instanceof ActionFailure) && thrown instanceof Error && thrown.stack) logLine(thrown.stack);
  logLine(message);
  try {
    await writeLines(`${JSON.stringify({ ...result, success: false, error: message })}\n`);
  } finally {
    process.exit(1);
  }
}
