import { readFileSync } from "node:fs";
import path from "node:path";
import { codeFrame } from "../code-frame.ts";
import { AttuneError, type Position, toError } from "../errors.ts";
import { placeOf } from "../modules.ts";

/** A mistake in a plugin, for the operator. */
export interface PluginMistake {
  readonly message: string;
  /** Absolute. */
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
  readonly hint: string | null;
  /** The lines around the place, for a terminal. */
  readonly frame: string | null;
}

/** A mistake at `at`; with its lines when there is a line to show. */
export function mistakeAt(message: string, at: Position, hint: string | null): PluginMistake {
  const { file, line, column } = at;
  const frame = line === undefined ? "" : codeFrame(readText(file), line, column ?? 1);
  return { message, file, line: line ?? null, column: column ?? null, hint, frame: frame === "" ? null : frame };
}

/** What was thrown by a plugin or while it was built, with its place as far as it can be told. */
export function mistakeOf(thrown: unknown, file: string, inputs: ReadonlySet<string>, word?: string): PluginMistake {
  const error = toError(thrown);
  const known = error instanceof AttuneError ? error : null;
  const at = known?.at ?? placeOf(error, inputs) ?? (word === undefined ? null : placeOfWord(word, file, inputs)) ?? { file };
  return mistakeAt(error.message, at, known?.hint ?? null);
}

export function sameMistake(one: PluginMistake | null, other: PluginMistake | null): boolean {
  return (
    one?.message === other?.message && one?.file === other?.file && one?.line === other?.line && one?.column === other?.column
  );
}

/**
 * Where a member or hook of that name is written in the plugin's own files, `file` first: as a key when it is one
 * somewhere, else anywhere outside comments and other texts. null when it is made up from parts.
 */
export function placeOfWord(word: string, file: string, inputs: ReadonlySet<string>): Position | null {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const own = [...inputs].filter((input) => input !== file && !input.includes(`${path.sep}node_modules${path.sep}`));
  for (const pattern of [`(?<![\\w$:-])(["'\`]?)${escaped}\\1\\s*[:(,}]`, `(?<![\\w$])${escaped}(?![\\w$])`]) {
    for (const input of [file, ...own]) {
      const text = codeOnly(readText(input), word);
      const index = text.search(new RegExp(pattern));
      if (index < 0) continue;
      const before = text.slice(0, index).split("\n");
      return { file: input, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    }
  }
  return null;
}

/** Comments and strings as spaces, so that places stay what they are, but for strings that are the word itself. */
function codeOnly(text: string, word: string): string {
  return text.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (part) =>
    part.slice(1, -1) === word ? part : part.replace(/[^\n]/g, " "),
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // It vanished or is no file; the mistake is then told without its lines.
  }
}
