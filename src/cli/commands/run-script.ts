import path from "node:path";
import { AttuneError } from "../../core/errors.ts";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import { readParameters } from "../parameters.ts";
import { problemLog } from "../problem-log.ts";
import { safeOutput } from "../text.ts";
import { failureReason, outputStreams, type RunOptions, type Stream } from "./run.ts";

/** Runs a file that is in no pack, without a daemon, and shows it as `attune run` shows an action. */
export async function runScript(
  word: string,
  pairs: readonly string[],
  options: RunOptions,
  shown: Context,
  setExitCode: (code: number) => void,
): Promise<void> {
  const { io } = shown;
  if (!options.wait)
    throw new AttuneError("USAGE", "--no-wait is for actions", {
      hint: "a file runs as a child of this command, not of the daemon",
    });
  const given = { pairs, json: options.paramsJson, flag: "--params-json" };
  const parameters = await readParameters(given, {}, io);
  const { runFile } = await import("../../core/testing/run-file.ts");
  const written: Promise<void>[] = [];
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const write = (stream: Stream, chunk: Uint8Array) => {
    const text = decoders[stream].decode(chunk, { stream: true });
    const safe = io.terminal ? safeOutput(text) : text;
    written.push(stream === "stdout" ? io.out(safe) : io.err(safe));
  };
  await using log = problemLog(io);
  const ended = await runFile(path.resolve(io.cwd, word), parameters, {
    config: shown.options.config,
    cwd: io.cwd,
    env: io.env,
    log,
    signal: io.signal,
    timeout: options.timeout ?? null,
    streams(streams) {
      if (shown.format === "table") for (const stream of outputStreams) streams[stream].follow((chunk) => write(stream, chunk));
    },
  });
  await Promise.all(written);
  const { status, exitCode, error, result } = ended;
  if (shown.format !== "table") await shown.print({ file: word, status, parameters, result, exit_code: exitCode, error });
  if (status === "completed") return;
  setExitCode(exit.failed);
  const how = status === "failed" ? "failed" : `ended as ${status}`;
  if (shown.format === "table")
    await io.err(`error: ${word} ${how}: ${error ? failureReason(error, result) : `exit code ${exitCode}`}\n`);
}
