import { AttuneError } from "../errors.ts";

/** The source is not what a pack may come from, or has in it what a pack may not have. */
export function refused(message: string, hint?: string): AttuneError {
  return new AttuneError("SOURCE_REFUSED", message, { hint });
}

/** The source can't be reached now. */
export function unavailable(message: string, details: { hint?: string; cause?: unknown } = {}): AttuneError {
  return new AttuneError("SOURCE_UNAVAILABLE", message, { ...details, retryable: true });
}
