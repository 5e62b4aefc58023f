import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { AttuneError } from "../../core/errors.ts";
import { isObject } from "../../core/values.ts";
import { type Client, connect, segment, unreachable } from "../client.ts";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import type { Register } from "../groups.ts";
import { readSeconds } from "../options.ts";
import { readParameters } from "../parameters.ts";
import { safeOutput } from "../text.ts";
import type { Action } from "./action.ts";
import type { PackEnvironment } from "./pack-env.ts";

export interface Execution {
  id: string;
  action_ref: string;
  rule_ref: string | null;
  event_id: string | null;
  status: string;
  parameters: unknown;
  result: unknown;
  exit_code: number | null;
  error: string | null;
  attempt: number;
  snapshot: string | null;
  created: string;
  started: string | null;
  finished: string | null;
}

export interface RunOptions {
  readonly paramsJson?: string;
  readonly wait: boolean;
  readonly timeout?: number;
}

export const outputStreams = ["stdout", "stderr"] as const;
export type Stream = (typeof outputStreams)[number];

export const runCommand: Register = (command, context, setExitCode) => {
  addRun(
    command
      .argument("<ref>", "an action, or a file that is in no pack: with a / in it, or one that is here")
      .argument("[parameters...]"),
    context,
    setExitCode,
  );
};

/** The same command stands as `attune run` and as `attune action run`. */
export function addRun(command: Command, context: () => Context, setExitCode: (code: number) => void): void {
  command
    .option("--params-json <json>", "parameters as a JSON object, or - for standard input")
    .option("--no-wait", "print the execution's id and return at once")
    .option("--timeout <seconds>", "how long a file may run; an action states it itself", readSeconds)
    .addHelpText("after", "\nParameters are name=value or name:=json; name=@file reads a file and name=- standard input.")
    .action(async (ref: string, pairs: string[], options: RunOptions) => {
      const shown = context();
      if (isFile(ref, shown.io.cwd)) {
        const { runScript } = await import("./run-script.ts");
        return runScript(ref, pairs, options, shown, setExitCode);
      }
      if (options.timeout !== undefined)
        throw new AttuneError("USAGE", "--timeout is for files", { hint: "state timeout_seconds in the action's file" });
      const client = connect(shown);
      const action = await client.get<Action>(`/actions/${segment(ref)}`);
      const parameters = await readParameters(
        { pairs, json: options.paramsJson, flag: "--params-json" },
        action.parameters,
        shown.io,
      );
      const accepted = await client.post<Execution>("/executions/execute", { action_ref: ref, parameters });
      if (!options.wait) return shown.done(accepted, accepted.id);
      const patience = setTimeout(() => void noteWait(client, shown, accepted), noteAfterMs);
      const execution = await follow(client, shown, accepted.id, shown.format === "table" ? outputStreams : []).finally(() =>
        clearTimeout(patience),
      );
      if (shown.format !== "table") await shown.print(execution);
      if (execution.status === "completed") return;
      setExitCode(exit.failed);
      if (shown.format === "table") await shown.io.err(`error: ${failureLine(execution)}\n`);
    });
}

const noteAfterMs = 1_000;

/** Says on standard error when an execution waits for the packages of its pack, which may take minutes. */
async function noteWait(client: Client, { io }: Context, { id, action_ref }: Execution): Promise<void> {
  try {
    const { status } = await client.get<Execution>(`/executions/${segment(id)}`);
    if (status !== "scheduled") return;
    const environments = await client.list<PackEnvironment>("/environments");
    const pack = action_ref.split(".", 1)[0];
    if (environments.some((one) => one.pack_ref === pack && one.path === null && ["waiting", "making"].includes(one.status)))
      await io.err(`waiting until the environment of ${pack} is made: attune pack env list\n`);
  } catch {
    // A daemon that is away is told by what follows the execution.
  }
}

/** A ref has neither a slash nor a file of its name. */
function isFile(word: string, cwd: string): boolean {
  return word.includes("/") || existsSync(path.resolve(cwd, word));
}

/** Waits for the end, passing the output of `streams` on as it comes. The execution goes on if this process is interrupted. */
export async function follow(client: Client, { io }: Context, id: string, streams: readonly Stream[]): Promise<Execution> {
  try {
    for await (const { event, data } of client.events(`/executions/${segment(id)}/stream`)) {
      if (event === "finished") return JSON.parse(data);
      if (event === "output") {
        const { stream, text } = JSON.parse(data) as { stream: Stream; text: string };
        if (!streams.includes(stream)) continue;
        const shown = io.terminal ? safeOutput(text) : text;
        await (stream === "stdout" ? io.out(shown) : io.err(shown));
      }
    }
    throw unreachable(client.endpoint);
  } catch (thrown) {
    const goesOn = io.signal.aborted || (thrown instanceof AttuneError && thrown.code === "DAEMON_UNREACHABLE");
    if (goesOn) await io.err(`execution ${id} may go on: attune execution show ${id}\n`);
    throw thrown;
  }
}

/** Why it failed. Of what the script wrote to standard error, which is on the screen, the last line says it. */
export function failureReason(error: string, result: unknown): string {
  const printed = isObject(result) ? result["stderr_log"] : undefined;
  const isShown = typeof printed === "string" && printed.includes(error);
  return safeOutput((isShown ? error.split("\n").at(-1) : undefined) ?? error);
}

function failureLine({ id, action_ref, status, exit_code, error, result }: Execution): string {
  const why = error ? failureReason(error, result) : exit_code === null ? "no reason is recorded" : `exit code ${exit_code}`;
  return `${action_ref} ${status === "failed" ? "failed" : `ended as ${status}`}: ${why}; execution ${id}`;
}
