import { AttuneError, type ErrorCode } from "./errors.ts";

/** Which part of a value given by a pack or the API is wrong. */
export interface Spot {
  /** Keys and indexes from the value that was checked down to the faulty one: `["conditions", 1, "operator"]`. */
  readonly path: readonly (string | number)[];
  /** Characters from the start of the text at `path`. */
  readonly offset?: number;
}

/** An AttuneError that knows its spot, so that who holds the file can turn it into a line and a column. */
export function errorAt(code: ErrorCode, message: string, spot: Spot, hint?: string): AttuneError {
  return new AttuneError(code, message, { hint, cause: spot });
}

/** The spot of an error made by {@link errorAt}. */
export function spotOf(thrown: unknown): Spot | undefined {
  const cause = thrown instanceof AttuneError ? thrown.cause : undefined;
  return typeof cause === "object" && cause !== null && "path" in cause && Array.isArray(cause.path)
    ? (cause as Spot)
    : undefined;
}

/** Runs `task`; an error it throws with a spot names that spot as seen from further out. */
export function inside<T>(outer: Spot["path"], task: () => T): T {
  try {
    return task();
  } catch (error) {
    const spot = spotOf(error);
    if (!(error instanceof AttuneError) || !spot) throw error;
    throw errorAt(error.code, error.message, { ...spot, path: [...outer, ...spot.path] }, error.hint);
  }
}

/** `conditions[1].operator` */
export function formatPath(path: Spot["path"]): string {
  return path.map((part, i) => (typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`)).join("");
}
