import { codeFrame } from "../code-frame.ts";
import type { Problem } from "../plugin.ts";
import { fileStates } from "./files.ts";
import { MAX_YAML_BYTES } from "./yaml/document.ts";

/** Nobody reads more, and each costs a look at its file. */
const mostFrames = 50;

/** The problems of the pack in `dir`, the first 50 that have a place with the lines around it. */
export function withFrames(dir: string, problems: readonly Problem[]): Problem[] {
  const files = fileStates(dir, new Map());
  const texts = new Map<string, string>();
  let left = mostFrames;

  function textOf(file: string): string {
    const known = texts.get(file);
    if (known !== undefined) return known;
    const text = readText(file);
    texts.set(file, text);
    return text;
  }

  function readText(file: string): string {
    try {
      return files.parsed(file, MAX_YAML_BYTES, undefined, (bytes) =>
        new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
      );
    } catch {
      // It vanished or can't be read, which is a problem of its own; this one is then told without its lines.
      return "";
    }
  }

  return problems.map((problem) => {
    const { file, line, column } = problem;
    if (line === null || left === 0) return problem;
    left -= 1;
    const frame = codeFrame(textOf(file), line, column ?? 1);
    return frame === "" ? problem : { ...problem, frame };
  });
}
