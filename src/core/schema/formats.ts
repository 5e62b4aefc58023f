import { Cron } from "croner";
import { toError } from "../errors.ts";

/** A `format` of parameters beyond those of JSON Schema. */
interface TextFormat {
  /** What a text of the format is, after "must be". */
  readonly what: string;
  readonly example: string;
  /** What keeps a text from being one; undefined when nothing does. */
  flaw(text: string): string | undefined;
}

/** `cron`, `timezone` and `date-time-or-local`, as the timers of the core pack take them. */
export const ownFormats: ReadonlyMap<string, TextFormat> = new Map<string, TextFormat>([
  ["cron", { what: "a cron expression of five fields, or six with seconds first", example: '"30 8 * * 1-5"', flaw: cronFlaw }],
  ["timezone", { what: "an IANA time zone", example: "Europe/Berlin", flaw: timezoneFlaw }],
  [
    "date-time-or-local",
    {
      what: "a date and time in ISO 8601",
      example: '"2030-01-31T09:00:00Z", or without the Z for local time',
      flaw: dateTimeFlaw,
    },
  ],
]);

function cronFlaw(text: string): string | undefined {
  const fields = text.trim().split(/\s+/).length;
  if (!text.trim().startsWith("@") && fields !== 5 && fields !== 6)
    return `it has ${fields} ${fields === 1 ? "field" : "fields"}`;
  return failure(() => new Cron(text.trim(), { mode: "5-or-6-parts", paused: true }));
}

function timezoneFlaw(text: string): string | undefined {
  return failure(() => new Intl.DateTimeFormat("en", { timeZone: text })) && "there is none of that name";
}

function dateTimeFlaw(text: string): string | undefined {
  const hasOffset = /(?:z|[+-]\d\d(?::?\d\d)?)$/i.test(text) && text.includes(":");
  const read = () => (hasOffset ? Temporal.Instant.from(text) : Temporal.PlainDateTime.from(text, { overflow: "reject" }));
  return failure(read) && "there is no such moment";
}

function failure(task: () => unknown): string | undefined {
  try {
    task();
    return undefined;
  } catch (thrown) {
    const { message } = toError(thrown);
    const reason = message.replace(/^Cron\w+: /, "").slice(0, 200);
    return `${reason.charAt(0).toLowerCase()}${reason.slice(1)}`;
  }
}
