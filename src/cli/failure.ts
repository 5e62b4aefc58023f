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
