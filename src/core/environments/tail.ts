import { stripVTControlCharacters } from "node:util";

/** The last lines of what a program prints. */
export interface Tail {
  push(chunk: Uint8Array): void;
  lines(): readonly string[];
}

const longestLine = 500;

/**
 * Keeps `limit` lines. Progress bars count as lines, colours and control characters are taken out, and so is the password
 * of a URL.
 */
export function createTail(limit: number): Tail {
  const decoder = new TextDecoder();
  let kept: string[] = [];
  let rest = "";
  return {
    push(chunk) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split(/[\r\n]+/);
      rest = (parts.pop() ?? "").slice(0, 4 * longestLine);
      const lines = parts.map(clean).filter((line) => line !== "");
      kept = [...kept, ...lines].slice(-limit);
    },
    lines() {
      const last = clean(rest);
      return last === "" ? kept : [...kept, last].slice(-limit);
    },
  };
}

function clean(line: string): string {
  const text = stripVTControlCharacters(line).replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, " ");
  return text
    .replace(/:\/\/[^/\s]+@/g, "://***@")
    .trimEnd()
    .slice(0, longestLine);
}
