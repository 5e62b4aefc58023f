import { AttuneError } from "../core/errors.ts";
import type { Io } from "./io.ts";
import { type Column, renderRecord, renderTable } from "./table.ts";
import { type Paint, painter } from "./text.ts";

/** The options every command takes, as commander gives them. */
export interface GlobalOptions {
  readonly url?: string;
  readonly token?: string;
  readonly config?: string;
  readonly output?: string;
  readonly j?: boolean;
  readonly color?: boolean;
}
type Format = "table" | "json" | "yaml";

/** What a command works with: its world, the global options, and how to show a result in the asked form. */
export interface Context {
  readonly io: Io;
  readonly options: GlobalOptions;
  readonly format: Format;
  readonly paint: Paint;
  /** A list: a table for people, an array otherwise. `empty` is said on standard error when there are no rows. */
  list<Row extends object>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string): Promise<void>;
  /** One record: `fields` for people, the whole record otherwise. */
  record<Record extends object>(
    record: Record,
    fields: (record: Record) => readonly (readonly [string, unknown])[],
  ): Promise<void>;
  /** What was done: `sentence` for people, `result` otherwise. */
  done(result: object, sentence: string): Promise<void>;
  /** The value in the structured form asked for. */
  print(value: unknown): Promise<void>;
}

const formats: readonly Format[] = ["table", "json", "yaml"];

export function createContext(io: Io, options: GlobalOptions): Context {
  const format = readFormat(options);
  const paint = painter(io.terminal && options.color !== false && !io.env["NO_COLOR"] && io.env["TERM"] !== "dumb");
  const print = async (value: unknown) => io.out(format === "yaml" ? await toYaml(value) : `${JSON.stringify(value, null, 2)}\n`);
  return {
    io,
    options,
    format,
    paint,
    print,
    async list(rows, columns, empty) {
      if (format !== "table") return print(rows);
      if (rows.length === 0) return io.err(`${empty}\n`);
      await io.out(renderTable(columns, rows, { width: io.columns, paint }));
    },
    async record(record, fields) {
      await (format === "table" ? io.out(renderRecord(fields(record), paint)) : print(record));
    },
    async done(result, sentence) {
      await (format === "table" ? io.out(`${sentence}\n`) : print(result));
    },
  };
}

function readFormat(options: GlobalOptions): Format {
  if (options.j) return "json";
  const format = formats.find((known) => known === (options.output ?? "table"));
  if (!format)
    throw new AttuneError("USAGE", `there is no output format ${options.output}`, { hint: `use ${formats.join(", ")}` });
  return format;
}

async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(value);
}
