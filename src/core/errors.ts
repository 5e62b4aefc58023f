/** Where in a file a problem is. Lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/**
 * What an operator can act on: a code, what failed, where, and what to do.
 *
 * `retryable` says whether the cause may go away by itself (a server that is down) or waits for an edit.
 */
export class AttuneError extends Error {
  override readonly name = "AttuneError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly at: Position | undefined;
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    details: { hint?: string | undefined; at?: Position | undefined; retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.at = details.at;
    this.retryable = details.retryable ?? false;
  }
}

/** Every code an AttuneError can carry. `docs/operations.md` explains each; a test compares the two. */
export type ErrorCode =
  | "CONFIG_INVALID"
  | "PLUGIN_INVALID"
  | "PLUGIN_FAILED"
  | "DATA_DIR_LOCKED"
  | "DATA_DIR_UNUSABLE"
  | "DATABASE_UNAVAILABLE"
  | "DATABASE_LOCKED"
  | "DATABASE_NEWER"
  | "DATABASE_UNSUPPORTED"
  | "TRANSPORT_UNAVAILABLE"
  | "TRANSPORT_UNSUPPORTED"
  | "ADDRESS_IN_USE"
  | "PACK_INVALID"
  | "PATH_OUTSIDE"
  | "FILE_UNUSABLE"
  | "EXPRESSION_INVALID"
  | "EXPRESSION_FAILED"
  | "PARAMETERS_INVALID"
  | "EVENT_INVALID"
  | "RUNTIME_UNAVAILABLE"
  | "NOT_FOUND"
  | "CONFLICT"
  | "REFUSED"
  | "SECRET_UNREADABLE"
  | "SOURCE_REFUSED"
  | "SOURCE_UNAVAILABLE"
  | "USAGE"
  | "DAEMON_UNREACHABLE"
  | "UNAUTHENTICATED"
  | "HOST_REFUSED"
  | "BODY_INVALID"
  | "BODY_TOO_LARGE"
  | "MEDIA_TYPE_UNSUPPORTED"
  | "INTERNAL";

/** Turns whatever was thrown into an Error, so that every catch can read `message`. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** One line for a person: `file:line:col: message (hint)`. */
export function describeError(thrown: unknown): string {
  const error = toError(thrown);
  if (!(error instanceof AttuneError)) return error.message;
  const where = error.at ? `${formatPosition(error.at)}: ` : "";
  const hint = error.hint ? ` (${error.hint})` : "";
  return `${where}${error.message}${hint}`;
}

export function formatPosition(at: Position): string {
  return [at.file, at.line, at.column].filter((part) => part !== undefined).join(":");
}

/** The known word closest to a misspelt one, or undefined when none is close enough to be meant. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of two neighbours that lead from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = isSwap ? beforePrevious[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(substitution, swap, previous[j]! + 1, current[j - 1]! + 1));
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
