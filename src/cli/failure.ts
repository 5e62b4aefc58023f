import { AttuneError, type ErrorCode, formatPosition, toError } from "../core/errors.ts";
import { escapeControls } from "./text.ts";

/** What a command ends with. A closed pipe and help are 0. */
export const exit = { ok: 0, failed: 1, usage: 2, notFound: 3, refused: 4, unreachable: 5, interrupted: 130 } as const;

const exitOf: Partial<Record<ErrorCode, number>> = {
  USAGE: exit.usage,
  PARAMETERS_INVALID: exit.usage,
  NOT_FOUND: exit.notFound,
  UNAUTHENTICATED: exit.refused,
  REFUSED: exit.refused,
  HOST_REFUSED: exit.refused,
  SOURCE_REFUSED: exit.refused,
  DAEMON_UNREACHABLE: exit.unreachable,
};

export function exitCodeOf(thrown: unknown): number {
  return (thrown instanceof AttuneError && exitOf[thrown.code]) || exit.failed;
}

/** What the operating system refused is no defect of attune: it is said as such. Anything else stays as it is. */
export function withoutSystemWords(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof AttuneError) return thrown;
  const { code, path } = thrown as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : refusals[code];
  if (words === undefined || path === undefined) return thrown;
  return new AttuneError("FILE_UNUSABLE", `${path}: ${words[0]}`, { hint: words[1], cause: thrown });
}

const refusals: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  EACCES: ["permission denied", "look at the owner and mode of it and its directory, or run attune as another user"],
  EPERM: ["not permitted", "look at the owner and mode of it and its directory, or run attune as another user"],
  EROFS: ["the file system is read-only", "choose a directory that can be written"],
  ENOSPC: ["no space left on the device", "make room there and try again"],
  EDQUOT: ["the disk quota is used up", "make room there and try again"],
  EEXIST: ["exists already", "choose another path"],
  ENOTDIR: ["not a directory", "choose another path"],
};

/** `error: what` and `hint: what to do`, or one JSON object in the API's shape. Never a stack. */
export function renderFailure(thrown: unknown, json: boolean): string {
  const error = toError(thrown);
  const coded = error instanceof AttuneError ? error : undefined;
  const where = coded?.at ? `${formatPosition(coded.at)}: ` : "";
  if (json) {
    const shape = { error: where + error.message, code: coded?.code ?? "INTERNAL", ...(coded?.hint && { hint: coded.hint }) };
    return `${JSON.stringify(shape)}\n`;
  }
  const hint = coded?.hint ? `hint: ${escapeControls(coded.hint)}\n` : "";
  return `error: ${escapeControls(where + error.message, "\n")}\n${hint}`;
}
