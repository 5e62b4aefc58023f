import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { AttuneError, type ErrorCode, formatPosition, toError } from "../core/errors.ts";
import type { Logger } from "../core/plugin.ts";

/** The status each code answers with. Those of starting and stopping never reach a request; 500 says so if they do. */
const statusOf: Record<ErrorCode, ContentfulStatusCode> = {
  USAGE: 400,
  BODY_INVALID: 400,
  PATH_OUTSIDE: 400,
  UNAUTHENTICATED: 401,
  REFUSED: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  BODY_TOO_LARGE: 413,
  MEDIA_TYPE_UNSUPPORTED: 415,
  HOST_REFUSED: 421,
  PARAMETERS_INVALID: 422,
  EVENT_INVALID: 422,
  PACK_INVALID: 422,
  EXPRESSION_INVALID: 422,
  EXPRESSION_FAILED: 422,
  DATABASE_UNAVAILABLE: 503,
  TRANSPORT_UNAVAILABLE: 503,
  RUNTIME_UNAVAILABLE: 503,
  CONFIG_INVALID: 500,
  PLUGIN_INVALID: 500,
  PLUGIN_FAILED: 500,
  DATA_DIR_LOCKED: 500,
  DATA_DIR_UNUSABLE: 500,
  DATABASE_LOCKED: 500,
  DATABASE_NEWER: 500,
  DATABASE_UNSUPPORTED: 500,
  TRANSPORT_UNSUPPORTED: 500,
  ADDRESS_IN_USE: 500,
  DAEMON_UNREACHABLE: 500,
  FILE_UNUSABLE: 500,
  SECRET_UNREADABLE: 500,
  SOURCE_REFUSED: 500,
  SOURCE_UNAVAILABLE: 500,
  INTERNAL: 500,
};

/**
 * Answers with `{error, code, details?, hint?}`. What is not an AttuneError is logged whole and shown as an internal error:
 * its text may hold what the client must not see.
 */
export function errorResponse(context: Context, thrown: unknown, log: Logger): Response {
  if (!(thrown instanceof AttuneError)) {
    const error = toError(thrown);
    log.error("request failed", { method: context.req.method, path: context.req.path, error: error.message, stack: error.stack });
    return context.json({ error: "internal error", code: "INTERNAL", hint: "the daemon's log says what happened" }, 500);
  }
  const status = statusOf[thrown.code];
  if (status === 401) context.header("WWW-Authenticate", 'Bearer realm="attune"');
  if (status === 503 && thrown.retryable) context.header("Retry-After", "1");
  return context.json(
    {
      error: thrown.message,
      code: thrown.code,
      ...(thrown.at && { details: { at: formatPosition(thrown.at) } }),
      ...(thrown.hint && { hint: thrown.hint }),
    },
    status,
  );
}
