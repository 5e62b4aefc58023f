import { AttuneError } from "../errors.ts";
import type { Json, JsonObject } from "../plugin.ts";
import { compileRegex } from "../regex.ts";
import type { FlatSchema } from "../registry.ts";
import { explain, type Problem } from "../schema/problems.ts";
import { makeCompiler, type Validate } from "../schema/validator.ts";
import { formatPath } from "../spot.ts";
import { isObject, ownValue } from "../values.ts";

interface StatedText {
  readonly contains?: string | readonly string[];
  readonly matches?: string;
}
/** What a case that has no flaws states. */
export type CaseFields =
  | {
      readonly name?: string;
      readonly action: string;
      readonly parameters?: JsonObject;
      readonly env?: Readonly<Record<string, string>>;
      readonly timeout?: number;
      readonly expect?: {
        readonly status?: string;
        readonly exit_code?: number;
        readonly result?: JsonObject;
        readonly stdout?: StatedText;
        readonly stderr?: StatedText;
        readonly error?: StatedText;
      };
    }
  | {
      readonly name?: string;
      readonly rule: string;
      readonly event: JsonObject;
      readonly expect: { readonly fires: boolean; readonly reason?: StatedText; readonly parameters?: JsonObject };
    };

const text: JsonObject = {
  type: "object",
  properties: {
    contains: { type: ["string", "array"], items: { type: "string" } },
    matches: { type: "string" },
  },
  additionalProperties: false,
};
const name: JsonObject = { type: "string", minLength: 1 };

const actionCase: FlatSchema = {
  name,
  action: { type: "string", required: true, minLength: 1 },
  parameters: { type: "object" },
  env: { type: "object", additionalProperties: { type: "string" } },
  timeout: { type: "number", exclusiveMinimum: 0, maximum: 86_400 },
  expect: {
    type: "object",
    properties: {
      status: { enum: ["completed", "failed", "timeout", "refused"] },
      exit_code: { type: "integer" },
      result: { type: "object" },
      stdout: text,
      stderr: text,
      error: text,
    },
    additionalProperties: false,
  },
};
const ruleCase: FlatSchema = {
  name,
  rule: { type: "string", required: true, minLength: 1 },
  event: { type: "object", required: true, description: "the payload" },
  expect: {
    type: "object",
    required: true,
    description: "what becomes of the event, such as { fires: true }",
    properties: { fires: { type: "boolean", required: true }, reason: text, parameters: { type: "object" } },
    additionalProperties: false,
  },
};

/** Made when they are first needed. */
let validators: ReadonlyMap<FlatSchema, Validate> | undefined;

type Flaw = Omit<Problem, "offset">;

/** One entry of `cases`, or what is wrong with it; paths are relative to it. */
export function readFields(item: Json): { readonly fields: CaseFields } | { readonly flaws: readonly Flaw[] } {
  const flaws = flawsOf(item);
  return flaws.length > 0 ? { flaws } : { fields: item as unknown as CaseFields };
}

function flawsOf(item: Json): readonly Flaw[] {
  if (!isObject(item)) {
    const hint = "such as - { action: greet, expect: { stdout: { contains: Hello } } }";
    return [{ path: [], message: "a case must be an object", hint, kind: "value" }];
  }
  const schema = Object.hasOwn(item, "rule") ? ruleCase : actionCase;
  if (schema === actionCase && !Object.hasOwn(item, "action")) {
    return [{ path: [], message: "a case needs `action` or `rule`", hint: "name what it tests", kind: "missing" }];
  }
  if (!validators) {
    const compile = makeCompiler();
    validators = new Map([actionCase, ruleCase].map((one) => [one, compile(one)]));
  }
  const errors = validators.get(schema)?.(item) ?? [];
  if (errors.length > 0) return errors.map((error) => inWordsOfCases(explain(schema, item, error)));
  return ["stdout", "stderr", "error", "reason"].flatMap((key) => patternFlaw(item, key));
}

/** The schema's messages speak of parameters. */
function inWordsOfCases(problem: Problem): Problem {
  return {
    ...problem,
    message: problem.message.replace(/^unknown parameter/, "unknown key"),
    hint: problem.hint?.replace(/^the parameters are/, "the keys are"),
  };
}

function patternFlaw(item: JsonObject, key: string): Problem[] {
  const expect = ownValue(item, "expect");
  const stated = isObject(expect) ? ownValue(expect, key) : undefined;
  const pattern = isObject(stated) ? ownValue(stated, "matches") : undefined;
  if (typeof pattern !== "string") return [];
  try {
    compileRegex(pattern);
    return [];
  } catch (thrown) {
    if (!(thrown instanceof AttuneError)) throw thrown;
    const path = ["expect", key, "matches"];
    return [{ path, message: `${formatPath(path)}: ${thrown.message}`, hint: thrown.hint, kind: "value" }];
  }
}
