import { AttuneError, toError } from "../../../core/errors.ts";

const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ENOENT",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
/** Server is shutting down, crashed, starting; too many connections; session ended by one of its own time limits. */
const serverCodes = new Set(["57P01", "57P02", "57P03", "57P05", "53300", "25P03", "25P04"]);
/** How `pg` words the same things when it has no code for them. */
const wordings = /^(Connection terminated|timeout expired|Query read timeout|Client (has encountered|was closed))/;
const refusals: Readonly<Record<string, string>> = {
  "28P01": "check user and password in DATABASE_URL",
  "28000": "check user and password in DATABASE_URL, and the server's pg_hba.conf",
  "3D000": "create the database, or name another one in DATABASE_URL",
};

/** The SQLSTATE of a server's error or the code of a system's; undefined when there is none. */
export function codeOf(thrown: unknown): string | undefined {
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return codeOf(thrown.errors[0]);
  const code: unknown = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Whether the server can't be talked to just now, as opposed to having refused a statement. */
export function isUnavailable(thrown: unknown): boolean {
  if (thrown instanceof AttuneError) return thrown.code === "DATABASE_UNAVAILABLE";
  const code = codeOf(thrown);
  if (code !== undefined) return networkCodes.has(code) || serverCodes.has(code) || /^08...$/.test(code);
  return wordings.test(toError(thrown).message);
}

/** A lost connection as a retryable DATABASE_UNAVAILABLE naming `where`; a statement the server refused as it is. */
export function storageError(thrown: unknown, where: string): Error {
  if (thrown instanceof AttuneError || !isUnavailable(thrown)) return toError(thrown);
  return unavailable(where, reasonOf(thrown), { cause: thrown });
}

/** Why a connection could not be made. Wrong credentials or names wait for an edit; everything else may pass by itself. */
export function connectError(thrown: unknown, where: string): AttuneError {
  if (thrown instanceof AttuneError) return thrown;
  const code = codeOf(thrown);
  const hint = code === undefined ? undefined : refusals[code];
  return unavailable(where, reasonOf(thrown), { cause: thrown, retryable: isUnavailable(thrown), hint });
}

export function unavailable(
  where: string,
  reason: string,
  details: { cause?: unknown; retryable?: boolean; hint?: string | undefined } = {},
): AttuneError {
  return new AttuneError("DATABASE_UNAVAILABLE", `${where} is not available: ${reason}`, { retryable: true, ...details });
}

function reasonOf(thrown: unknown): string {
  const { message } = toError(thrown);
  return message || codeOf(thrown) || "no reason given";
}
