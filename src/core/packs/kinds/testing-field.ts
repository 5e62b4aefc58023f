import type { JsonObject, Problem } from "../../plugin.ts";
import type { PackTesting, TestRunner } from "../../registry.ts";
import { mistake } from "../problems.ts";
import type { PackDocument } from "../yaml/document.ts";

const runnerTypes = ["script", "unittest", "pytest"] as const;
const onFailure = ["block", "warn"] as const;

const seconds: JsonObject = {
  type: "number",
  exclusiveMinimum: 0,
  maximum: 86_400,
  title: "a number of seconds above 0",
  description: "seconds it may run",
};
const runner: JsonObject = {
  type: "object",
  properties: {
    type: { enum: [...runnerTypes], description: "how it is started; default script" },
    entry_point: { type: "string", description: "file or directory in the pack" },
    timeout: seconds,
    result_format: { type: "string", description: "accepted, not used: the exit code counts" },
  },
};

/** The field `testing` of pack.yaml, contract 1.4. */
export const testingField: JsonObject = {
  type: "object",
  description: "how `attune pack test` tests the pack",
  properties: {
    enabled: { type: "boolean", description: "whether it is tested; default true" },
    discovery: {
      type: "object",
      description: "where the files with cases lie",
      properties: {
        method: { enum: ["directory"], description: "how they are found" },
        path: { type: "string", description: "directory in the pack; default tests" },
      },
    },
    runners: { type: "object", additionalProperties: runner, description: "programs that test the pack, by their runtime" },
    result_path: { type: "string", description: "accepted, not used: see --junit" },
    min_pass_rate: {
      type: "number",
      minimum: 0,
      maximum: 1,
      title: "a number from 0 to 1",
      description: "share of the tests that must pass; default 1",
    },
    on_failure: { enum: [...onFailure], description: "whether a failure counts (block) or is only told (warn); default block" },
  },
};

/** What a value that fits {@link testingField} says. */
interface Stated {
  readonly enabled?: boolean;
  readonly discovery?: { readonly path?: string };
  readonly runners?: {
    readonly [runtime: string]: {
      readonly type?: TestRunner["type"];
      readonly entry_point?: string;
      readonly timeout?: number;
    };
  };
  readonly min_pass_rate?: number;
  readonly on_failure?: PackTesting["onFailure"];
}

/** Reads the section `testing`, which fits its schema. A runner without a file is a mistake. */
export function readTesting(
  raw: JsonObject | undefined,
  at: PackDocument["at"],
  report: (problem: Problem) => void,
): PackTesting {
  const stated = (raw ?? {}) as Stated;
  const runners = Object.entries(stated.runners ?? {}).flatMap(([runtime, { type, entry_point, timeout }]): TestRunner[] => {
    if (entry_point === undefined) {
      const message = `\`testing.runners.${runtime}\` has no entry_point`;
      report(mistake("pack.yaml", at(["testing", "runners", runtime], "key"), message, "name a file in the pack"));
      return [];
    }
    return [{ runtime, type: type ?? "script", entryPoint: entry_point, timeout: timeout ?? null }];
  });
  return {
    enabled: stated.enabled ?? true,
    path: stated.discovery?.path ?? "tests",
    runners,
    minPassRate: stated.min_pass_rate ?? 1,
    onFailure: stated.on_failure ?? "block",
  };
}
