import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { Client, type ClientConfig, type QueryResult } from "pg";
import type { Rows, Sql } from "../../../core/plugin.ts";
import { codeOf, connectError, storageError, unavailable } from "./failure.ts";
import { columnTypes, encodeParameter } from "./values.ts";

export interface ConnectionSettings {
  readonly client: ClientConfig;
  /** The server as the operator knows it, without password. */
  readonly where: string;
  /** Whether statements with parameters are planned once a session. */
  readonly prepare: boolean;
  /** Limit of one statement, in milliseconds; the connection does not survive it. Default 60,000. */
  readonly queryTimeout?: number;
}

/** One session. Statements are sent when issued, without waiting for the answers to those before. */
export interface Connection extends Sql {
  query<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Rows<R> & { readonly command: string }>;
  readonly alive: boolean;
  /**
   * Whether the session is as fresh: alive, nothing under way, no transaction left open. A promise only when the server has
   * to be asked, which is after an error.
   */
  reusable(): boolean | Promise<boolean>;
  /** Keeps what is sent from now on until the returned function is called, at the latest until the end of this turn. */
  hold(): () => void;
  end(): Promise<void>;
  destroy(): void;
}

const connectTimeout = 5_000;
/** A statement with more parameters than its 16-bit count can say would break the protocol. */
const maxParameters = 65_535;
/** Bounds what a session's prepared statements take of the server's memory. */
const maxNamed = 500;
/** The plan or the statement is gone on the server while the client believes in it: only a new session helps. */
const staleStatement = new Set(["0A000", "26000"]);

/** Opens a session with `search_path` attune. `onClose` is called once, when it is over for whatever reason. */
export async function connect(settings: ConnectionSettings, onClose: () => void): Promise<Connection> {
  const { where } = settings;
  const client = new Client({
    ...withSearchPath(settings.client),
    types: columnTypes,
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    connectionTimeoutMillis: connectTimeout,
    query_timeout: settings.queryTimeout ?? 60_000,
    application_name: "attune",
  });
  let alive = true;
  const closed = () => {
    if (!alive) return;
    alive = false;
    onClose();
  };
  // Whoever waits for an answer gets the same error; without a listener it would end the process.
  client.on("error", closed);
  client.on("end", closed);
  try {
    await client.connect();
  } catch (thrown) {
    closed();
    throw connectError(thrown, where);
  }

  const names = new Map<string, string>();
  let doubtful = false;

  function nameOf(text: string): string | undefined {
    if (!settings.prepare) return undefined;
    let name = names.get(text);
    if (name === undefined && names.size < maxNamed) {
      name = `a${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
      names.set(text, name);
    }
    return name;
  }

  async function send(text: string, values: readonly unknown[] | undefined): Promise<QueryResult | QueryResult[]> {
    if (values === undefined) return client.query(text);
    if (values.length > maxParameters) throw new RangeError(`${values.length} parameters; a statement takes ${maxParameters}`);
    return client.query({ text, values: values.map(encodeParameter), ...named(nameOf(text)) });
  }

  return {
    get alive() {
      return alive;
    },
    async query<R>(text: string, values?: readonly unknown[]) {
      if (!alive) throw unavailable(where, "the connection was lost");
      try {
        return summary<R>(await send(text, values));
      } catch (thrown) {
        doubtful = true;
        if (staleStatement.has(codeOf(thrown) ?? "")) closed();
        throw storageError(thrown, where);
      }
    },
    reusable() {
      if (!alive) return false;
      if (!doubtful) return client.getTransactionStatus() === "I";
      // An error is reported before the server says which state it left; an empty statement is answered in any state.
      return client.query("").then(
        () => {
          doubtful = false;
          return alive && client.getTransactionStatus() === "I";
        },
        () => false,
      );
    },
    hold() {
      const stream = streamOf(client);
      stream.cork();
      let held = true;
      const release = () => {
        if (!held) return;
        held = false;
        stream.uncork();
      };
      setImmediate(release);
      return release;
    },
    async end() {
      if (!alive) return;
      closed();
      await client.end();
    },
    destroy() {
      closed();
      destroySocket(client);
    },
  };
}

function named(name: string | undefined): { name?: string } {
  return name === undefined ? {} : { name };
}

/** Several statements in one text give several results: their rows in a row, and the last one's command. */
function summary<R>(result: QueryResult | QueryResult[]): Rows<R> & { command: string } {
  if (!Array.isArray(result)) return { rows: result.rows as R[], rowCount: result.rowCount ?? 0, command: result.command };
  return {
    rows: result.flatMap((part) => part.rows as R[]),
    rowCount: result.reduce((sum, part) => sum + (part.rowCount ?? 0), 0),
    command: result.at(-1)?.command ?? "",
  };
}

/** `Client.end` says goodbye politely, which a server that hangs never answers. */
function destroySocket(client: Client): void {
  streamOf(client).destroy();
}

function streamOf(client: Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

const searchPath = "-c search_path=attune";

/** Options written in the URL would replace those beside it, so they are joined there. */
function withSearchPath(config: ClientConfig): ClientConfig {
  const url = config.connectionString;
  if (url === undefined || !/[?&]options=/.test(url)) return { ...config, options: searchPath };
  return { ...config, connectionString: url.replace(/([?&]options=[^&#]*)/, `$1${encodeURIComponent(` ${searchPath}`)}`) };
}
