import { AttuneError } from "../core/errors.ts";

/** `--limit`: how many of the newest to show. */
export function readLimit(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1) {
    throw new AttuneError("USAGE", `--limit must be a whole number from 1, not ${text}`);
  }
  return Number(text);
}

/** Of an option that may be repeated: undefined until it is given. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** `--timeout`: seconds. */
export function readSeconds(text: string): number {
  const seconds = /^\d{1,5}(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds > 0 && seconds <= 86_400) return seconds;
  throw new AttuneError("USAGE", `--timeout must be a number of seconds above 0, at most 86400, not ${text}`);
}
