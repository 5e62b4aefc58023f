import path from "node:path";
import { AttuneError } from "../errors.ts";
import { placeOf } from "../modules.ts";
import type { Tried } from "../plugins/trial.ts";
import { type Exit, startChild } from "../processes/child.ts";
import { createLineSplitter } from "../processes/lines.ts";
import { createProgress } from "./check-progress.ts";
import type { CheckOptions, Outcome } from "./plugin-check.ts";
import type { CheckLine } from "./plugin-check-child.ts";

/** The hidden first argument by which attune is asked to be the child of a check. */
export const checkArgument = "check-plugin";

const defaultCaseLimit = 10_000;
/** Milliseconds beyond the limit of a case after which nothing but a blocked process explains the silence. */
const patience = 3_000;
/** Milliseconds that an interrupted check gets to end. */
const grace = 2_000;
const keptOutput = 64 * 1024;
const longestLine = 1024 * 1024;

/** Tries the contract on a bundle in a process of its own, and notes each case's outcome as it comes. */
export async function tryContract(options: CheckOptions, tried: Tried, note: (outcome: Outcome) => void): Promise<void> {
  const { caseLimit = defaultCaseLimit, signal } = options;
  const mark = `attune-${crypto.randomUUID()} `;
  const progress = createProgress(tried, note);
  let blocked = false;
  let said = "";

  const stdout = createLineSplitter(
    longestLine,
    (line) => {
      if (!line.startsWith(mark)) return;
      watchdog.refresh();
      progress.take(JSON.parse(line.slice(mark.length)) as CheckLine);
    },
    () => {}, // What a plugin prints is of no interest here.
  );
  const decoder = new TextDecoder();
  const child = startChild({
    argv: [...options.command, checkArgument, tried.bundle, mark, String(caseLimit), ...(options.script ? [options.script] : [])],
    cwd: options.cwd,
    packDir: options.cwd,
    // What a process that had to be killed leaves there goes with the rest of this check.
    env: { ...options.env, TMPDIR: path.dirname(tried.bundle) },
    stdin: "none",
    onStdout: stdout.push,
    onStderr: (chunk) => {
      said = (said + decoder.decode(chunk, { stream: true })).slice(-keptOutput);
    },
  });
  const watchdog = setTimeout(() => {
    blocked = true;
    child.signal("SIGKILL");
  }, caseLimit + patience);
  // It ends what it has started itself.
  const interrupt = () => void child.stop(grace);
  signal.addEventListener("abort", interrupt, { once: true });
  const exit = await child.exited.finally(() => {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", interrupt);
  });
  signal.throwIfAborted();
  const ended = `ended (${describeExit(exit)}): ${lastWords(said)}`;
  if (!progress.started) throw new AttuneError("PLUGIN_FAILED", `the process that checks ${tried.file} ${ended}`);
  progress.over(
    blocked
      ? {
          message: `it blocks the process it runs in: no answer within ${caseLimit / 1_000} s`,
          hint: "a loop without end",
          place: null,
        }
      : { message: `the process it was tried in ${ended}`, hint: null, place: placeOf({ stack: said }, tried.inputs) },
  );
}

function describeExit({ code, signal }: Exit): string {
  return signal ?? `exit code ${code}`;
}

/** The line of an error, or else what came last. */
function lastWords(said: string): string {
  const lines = said.split("\n").map((line) => line.trim());
  const error = lines.find((line) => /^(?:\w*[Ee]rror|panic)\b/.test(line)) ?? lines.findLast((line) => line !== "");
  return (error ?? "it said nothing").slice(0, 500);
}
