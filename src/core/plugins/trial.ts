import { placeOf } from "../modules.ts";
import type { Plugin } from "../plugin.ts";
import type { Child, ChildSpec } from "../processes/child.ts";
import { mistakeAt, type PluginMistake, placeOfWord } from "./places.ts";
import { kindOf } from "./shape.ts";
import type { TrialLine } from "./trial-child.ts";

/** The hidden first argument by which attune is asked to be the child of a trial. */
export const trialArgument = "try-plugin";

export interface TrialOptions {
  /** Command line of attune. */
  readonly command: readonly [string, ...string[]];
  readonly start: (spec: ChildSpec) => Child;
  /** The daemon's environment: a plugin may read it while it loads. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Ends a trial that is under way. */
  readonly signal: AbortSignal;
  /** Milliseconds that loading and probing may take together. Default 10,000. */
  readonly timeLimit?: number;
}

/** A bundle to be tried, and the files it was made of. */
export interface Tried {
  readonly file: string;
  readonly bundle: string;
  readonly inputs: ReadonlySet<string>;
}

/** What a plugin that passed says of itself. */
export interface PluginFacts {
  readonly kind: Plugin["kind"];
  readonly name: string;
  readonly hooks: readonly string[];
}

const keptOutput = 64 * 1024;

/**
 * Loads a plugin in a process of its own: what hangs, ends the process or can't be loaded is found there. Resolves with
 * what it is, or with the mistake. Rejects only when the process can't be started.
 */
export async function tryPlugin(
  options: TrialOptions,
  tried: Tried,
): Promise<{ readonly facts: PluginFacts } | { readonly mistake: PluginMistake }> {
  const { timeLimit = 10_000 } = options;
  const mark = `attune-${crypto.randomUUID()} `;
  const stdout = collect();
  const stderr = collect();
  const child = options.start({
    argv: [...options.command, trialArgument, tried.bundle, mark],
    cwd: options.cwd,
    packDir: options.cwd,
    env: options.env,
    stdin: "none",
    onStdout: stdout.push,
    onStderr: stderr.push,
  });
  const end = () => child.signal("SIGKILL");
  options.signal.addEventListener("abort", end, { once: true });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end();
  }, timeLimit);
  const exit = await child.exited.finally(() => {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", end);
  });
  const lines = linesOf(stdout.text(), mark);
  const last = lines.at(-1);
  if (last && "passed" in last) {
    const { kind, name, hooks } = last.passed;
    const known = kindOf(kind);
    if (known) return { facts: { kind: known, name, hooks } };
  }
  return { mistake: mistakeOf(last ?? { phase: "loading" }) };

  function mistakeOf(line: TrialLine): PluginMistake {
    const { file, inputs } = tried;
    if ("mistake" in line) {
      const { message, hint, word } = line.mistake;
      return mistakeAt(message, (word === null ? null : placeOfWord(word, file, inputs)) ?? { file }, hint);
    }
    if ("threw" in line) return mistakeAt(line.threw.message, placeOf(line.threw, inputs) ?? { file }, null);
    const during = "phase" in line ? line.phase : "loading";
    const at = during === "probe" ? placeOfWord("probe", file, inputs) : null;
    if (late) {
      const hint = "a loop without end, or a promise that nothing settles";
      const what = during === "probe" ? "`probe` has not answered" : "it has not finished loading";
      return mistakeAt(`${what} after ${timeLimit / 1_000} s`, at ?? { file, line: 1, column: 1 }, hint);
    }
    const ended = exit.signal === null ? `exit code ${exit.code}` : exit.signal;
    const said = stderr.text().trim();
    const place = placeOf({ stack: said }, inputs) ?? at ?? { file };
    return mistakeAt(`it ended the process it was tried in (${ended})`, place, firstError(said));
  }
}

function collect() {
  let kept = "";
  const decoder = new TextDecoder();
  return {
    // What a plugin prints comes before what is said of it.
    push: (chunk: Uint8Array) => {
      kept = (kept + decoder.decode(chunk, { stream: true })).slice(-keptOutput);
    },
    text: () => kept,
  };
}

function linesOf(text: string, mark: string): TrialLine[] {
  return text.split("\n").flatMap((line) => (line.startsWith(mark) ? [JSON.parse(line.slice(mark.length)) as TrialLine] : []));
}

function firstError(said: string): string | null {
  return (
    said
      .split("\n")
      .find((line) => /^\s*(?:\w*[Ee]rror|panic)\b/.test(line))
      ?.trim()
      .slice(0, 500) ?? null
  );
}
