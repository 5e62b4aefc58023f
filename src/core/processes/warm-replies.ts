import { constants } from "node:os";
import type { Exit } from "./child.ts";

/** What a fork server answers. `id` is that of the request. */
export type Reply =
  | { readonly kind: "ready" }
  | { readonly kind: "started"; readonly id: string; readonly pid: number }
  | { readonly kind: "declined"; readonly id: string }
  | { readonly kind: "ended"; readonly id: string; readonly exit: Exit }
  | { readonly kind: "outdated" };

/** Reads one line of a fork server (docs/plugins.md); null for one that means nothing. */
export function parseReply(line: string): Reply | null {
  const [word, id = "", ...rest] = line.split(" ");
  if (word === "R" || word === "Q") return { kind: word === "R" ? "ready" : "outdated" };
  if (id === "") return null;
  if (word === "C") return { kind: "declined", id };
  const number = numberIn(rest.at(-1));
  if (number === null) return null;
  // 0 and 1 would name a group and all processes where signals are sent.
  if (word === "S" && number > 1) return { kind: "started", id, pid: number };
  if (word === "E" && rest[0] === "e") return { kind: "ended", id, exit: exitOf({ code: number }) };
  if (word === "E" && rest[0] === "s") return { kind: "ended", id, exit: exitOf({ signal: number }) };
  return null;
}

export function exitOf(status: { readonly code: number } | { readonly signal: number }): Exit {
  return "code" in status ? { code: status.code, signal: null } : { code: null, signal: signalName(status.signal) };
}

// Of two names for one number the first is the usual one.
const signalNames = new Map(
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name]),
);

function signalName(number: number): string {
  return signalNames.get(number) ?? `signal ${number}`;
}

function numberIn(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : null;
}
