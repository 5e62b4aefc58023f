import type { Problem } from "../plugin.ts";

/** Line and column count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * The place of a field's value in a component file, by the field's proper name; of a parameter (`trigger_params.interval`)
 * also that of its key. Undefined when the file does not state it.
 */
export type PlaceOf = (file: string, field: string, of?: "key" | "value") => Place | undefined;

export function mistake(file: string, at: Place | null, message: string, hint: string | null | undefined = null): Problem {
  return { severity: "error", file, line: at?.line ?? null, column: at?.column ?? null, message, hint: hint ?? null };
}

export function warning(file: string, at: Place | null, message: string, hint: string | null = null): Problem {
  return { ...mistake(file, at, message, hint), severity: "warning" };
}

export function isMistake(problem: Problem): boolean {
  return problem.severity === "error";
}

/** `actions/echo.yaml:3:8`, for a message that points at a second place. */
export function locate(file: string, at: Place | undefined): string {
  return at ? `${file}:${at.line}:${at.column}` : file;
}
