import { escapeControls } from "../core/escape.ts";

export { escapeControls };

/** A script's output for a terminal: line structure and colours stay, every other control sequence is made visible. */
export function safeOutput(text: string): string {
  return text
    .split(/(\u001b\[[0-9;]*m)/)
    .map((part, i) => (i % 2 === 1 ? part : escapeControls(part, "\n\r\t")))
    .join("");
}

/** `12s ago`, `3m ago`, `5h ago`; beyond a day the date and time, in UTC. */
export function shortTime(time: string | null | undefined, now = Date.now()): string {
  if (!time) return "-";
  const seconds = Math.round((now - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return time;
  if (seconds < 0 || seconds >= 86_400) return `${time.slice(0, 10)} ${time.slice(11, 16)}Z`;
  if (seconds < 60) return `${seconds}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  return `${Math.floor(seconds / 3600)}h ago`;
}

/** `35ms`, `1.4s`, `2m05s`; `-` while either end is missing. */
export function duration(started: string | null, finished: string | null): string {
  if (!started || !finished) return "-";
  const ms = Math.max(0, Date.parse(finished) - Date.parse(started));
  if (ms < 1000) return `${ms}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  return `${Math.floor(ms / 60_000)}m${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}s`;
}

export type Paint = (text: string, style: Style) => string;
export type Style = "bold" | "dim" | "red" | "green" | "yellow";
const codes: Record<Style, [number, number]> = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] };

export function painter(color: boolean): Paint {
  if (!color) return (text) => text;
  return (text, style) => `\u001b[${codes[style][0]}m${text}\u001b[${codes[style][1]}m`;
}

const styles: Readonly<Record<string, Style>> = {
  completed: "green",
  fired: "green",
  running: "green",
  active: "green",
  ready: "green",
  outdated: "yellow",
  yes: "green",
  failed: "red",
  timeout: "red",
  abandoned: "red",
  unavailable: "red",
  unresolved: "red",
  rejected: "red",
  "last good version": "yellow",
  backoff: "yellow",
  cancelled: "yellow",
  unmatched: "dim",
  stopped: "dim",
  no: "dim",
};
/** The colour a status word is known by. */
export function statusStyle(word: string): Style | undefined {
  return Object.hasOwn(styles, word) ? styles[word] : undefined;
}
