import { parse } from "yaml";
import { storableText } from "../json.ts";
import type { Json, JsonObject } from "../plugin.ts";
import type { OutputFormat } from "../registry.ts";

/** What is stored as an execution's result, and why it failed if it did (contract 2.3). */
export interface Outcome {
  readonly result: JsonObject;
  readonly error: string | null;
}

/** Of the standard output, this much stands in the result; all that was kept is in the log. */
const inlineLimit = 64 * 1024;
/** A structured result larger than this is left to the log. */
const dataLimit = 1024 * 1024;

/** As much of what was kept of a stream as a result can need; the log may have ten times as much. */
export function textOf(content: Buffer, part: "head" | "tail"): string {
  return (part === "head" ? content.subarray(0, dataLimit + 1) : content.subarray(-dataLimit)).toString("utf8");
}

export interface Ended {
  readonly exitCode: number;
  readonly durationMs: number;
  readonly succeeded: boolean;
  readonly stdout: { readonly text: string; readonly truncated: boolean };
  readonly stderr: { readonly text: string; readonly truncated: boolean };
  /** Overrides what would be read from stderr: a timeout, a cancellation. */
  readonly error: string | null;
}

/** Makes the result of a run that has ended. Output that does not parse never fails the execution. */
export function outcomeOf(ended: Ended, format: OutputFormat): Outcome {
  const data = ended.exitCode === 0 ? parseOutput(ended.stdout.text, ended.stdout.truncated, format) : undefined;
  const error = ended.succeeded ? null : (ended.error ?? failureText(ended.stderr.text, ended.exitCode));
  const result: JsonObject = { exit_code: ended.exitCode, duration_ms: ended.durationMs, succeeded: ended.succeeded };
  if (data !== undefined) result["data"] = data;
  else if (ended.stdout.text !== "") result["stdout"] = storableText(ended.stdout.text.slice(0, inlineLimit));
  if (ended.stderr.text !== "") result["stderr_log"] = storableText(ended.stderr.text.slice(-inlineLimit));
  if (error !== null) result["error"] = storableText(error);
  if (ended.stdout.truncated || (data === undefined && ended.stdout.text.length > inlineLimit)) result["stdout_truncated"] = true;
  if (ended.stderr.truncated || ended.stderr.text.length > inlineLimit) result["stderr_truncated"] = true;
  return { result, error: error === null ? null : storableText(error) };
}

function parseOutput(text: string, truncated: boolean, format: OutputFormat): Json | undefined {
  if (format === "text" || truncated || text.trim() === "" || text.length > dataLimit) return undefined;
  switch (format) {
    case "json":
      return parseJson(text) ?? parseJson(text.trimEnd().split("\n").at(-1) ?? "");
    case "yaml":
      try {
        return parse(text, { maxAliasCount: 20 });
      } catch {
        return undefined;
      }
    case "jsonl": {
      const lines = text.split("\n").map(parseJson);
      const parsed = lines.filter((line) => line !== undefined);
      return parsed.length > 0 ? parsed : undefined;
    }
  }
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failureText(stderr: string, exitCode: number): string {
  const lines = stderr.trim().split("\n");
  if (lines.length <= 5 && lines[0] !== "") return lines.join("\n").slice(0, 2_000);
  return lines.at(-1)?.slice(0, 2_000) || `Command exited with code ${exitCode}`;
}
