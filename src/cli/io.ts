/** The world of one command: everything it reads and writes goes through here, so that a test can be the terminal. */
export interface Io {
  /** Resolves when the text is handed over. */
  out(text: string): Promise<void>;
  /** Bytes exactly as they are. */
  outBytes(bytes: Uint8Array): Promise<void>;
  err(text: string): Promise<void>;
  /** All of standard input as text. */
  readStdin(): Promise<string>;
  /** Standard output is a terminal. */
  readonly terminal: boolean;
  /** Width of the terminal; undefined when standard output is not one. */
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by the first SIGINT or SIGTERM; its reason is the signal's name. */
  readonly signal: AbortSignal;
  /** Calls the listener, instead of printing, with each error that nothing caught. Returns the undo. */
  uncaught(listener: (thrown: unknown) => void): () => void;
}
