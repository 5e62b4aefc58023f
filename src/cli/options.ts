import { AttuneError } from "../core/errors.ts";

/** `--limit`: how many of the newest to show. */
export function readLimit(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1) {
    throw new AttuneError("USAGE", `--limit must be a whole number from 1, not ${text}`);
  }
  return Number(text);
}

export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
