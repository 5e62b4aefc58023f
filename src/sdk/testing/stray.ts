import { toError } from "../../core/errors.ts";

/** Errors that were thrown where nobody catches them, and rejections that nobody handles. */
export interface StrayErrors extends Disposable {
  /** Those since the last call. */
  take(): Error[];
}

/** Listens for stray errors of this process, which then no longer end it. */
export function catchStrayErrors(): StrayErrors {
  let errors: Error[] = [];
  const note = (thrown: unknown) => void errors.push(toError(thrown));
  const kinds = ["uncaughtException", "unhandledRejection"] as const;
  for (const kind of kinds) process.on(kind, note);
  return {
    take() {
      const taken = errors;
      errors = [];
      return taken;
    },
    [Symbol.dispose]() {
      for (const kind of kinds) process.off(kind, note);
    },
  };
}
