import pino from "pino";
import pretty from "pino-pretty";
import { escapeControls } from "./escape.ts";
import type { Logger } from "./plugin.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: for people when standard output is a terminal, JSON lines otherwise. */
  readonly format: "auto" | "pretty" | "json";
}

/**
 * Writes to standard output, synchronously: a line that was logged before a crash is there after it. The fields `hint` and
 * `frame` (the lines of a file around a mistake) are shown to people below the message; JSON lines go without the frame.
 */
export function createLogger(options: LogOptions): Logger {
  const people = options.format === "pretty" || (options.format === "auto" && process.stdout.isTTY === true);
  const stream = people
    ? pretty({
        sync: true,
        colorize: process.stdout.isTTY === true && !process.env["NO_COLOR"],
        ignore: "pid,hostname,hint,frame",
        messageFormat: forPeople,
        singleLine: true,
        translateTime: "SYS:HH:MM:ss.l",
      })
    : pino.destination({ dest: 1, sync: true });
  const formatters = { level: (level: string) => ({ level }), ...(!people && { log: withoutFrame }) };
  const root = pino({ level: options.level, base: null, formatters, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return wrap(root);
}

/** The message, below it the lines of a file that it is about, and the hint. */
function forPeople({ msg, hint, frame, level: _, time: __, ...fields }: Record<string, unknown>): string {
  const message = escapeControls(String(msg ?? ""), "\n");
  const advice = hint === undefined ? "" : `hint: ${escapeControls(String(hint))}`;
  if (frame === undefined) return advice === "" ? message : `${message} (${advice})`;
  const lines = [...escapeControls(String(frame), "\n").split("\n"), ...(advice === "" ? [] : [advice])];
  const text = [message, ...lines.map((line) => `    ${line}`)].join("\n");
  // A space and the fields follow what is returned: on a line of their own, not as if they stood in the file.
  return Object.keys(fields).length === 0 ? text : `${text}\n   `;
}

function withoutFrame({ frame: _, ...fields }: Record<string, unknown>): Record<string, unknown> {
  return fields;
}

function wrap(logger: pino.Logger): Logger {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}

export { silentLogger } from "./silent-logger.ts";
