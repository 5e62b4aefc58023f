import type { Progress } from "../core/install/progress.ts";
import type { Context } from "./context.ts";

/** Milliseconds between two changes of the line. */
const everyMs = 100;

export interface ProgressLine extends Disposable {
  readonly show: (progress: Progress) => void;
}

/** How far an installation is, on standard error: one line that changes on a terminal, a line for each step otherwise. */
export function progressLine({ io, format }: Context): ProgressLine {
  let phase = "";
  let shownAt = 0;
  let isOpen = false;
  const write = (text: string) => void io.err(text);
  return {
    show(progress) {
      if (format !== "table") return;
      const isNew = phase !== progress.phase;
      phase = progress.phase;
      if (!io.terminal) return isNew && progress.phase !== "unpack" ? write(`${plainLine(progress)}\n`) : undefined;
      const now = performance.now();
      if (!isNew && now - shownAt < everyMs) return;
      shownAt = now;
      isOpen = true;
      write(`\r\u001b[K${changingLine(progress).slice(0, (io.columns ?? 80) - 1)}`);
    },
    [Symbol.dispose]() {
      if (isOpen) write("\r\u001b[K");
    },
  };
}

function plainLine(progress: Progress): string {
  if (progress.phase === "check") return `checking ${progress.pack}`;
  return progress.phase === "unpack" ? "unpacking" : `fetching ${progress.from}`;
}

function changingLine(progress: Progress): string {
  if (progress.phase === "check") return plainLine(progress);
  if (progress.phase === "unpack") return `unpacking: ${progress.files} files, ${size(progress.bytes)}`;
  const total = progress.phase === "download" && progress.total !== null ? ` of ${size(progress.total)}` : "";
  return `${size(progress.bytes)}${total} from ${progress.from}`;
}

/** `640 B`, `12 kB`, `3.4 MB`. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
