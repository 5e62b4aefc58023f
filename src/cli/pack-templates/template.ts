/** What differs from runtime to runtime in a new pack. */
export interface Template {
  /** As `runner_type` in the pack's files. */
  readonly runtime: string;
  /** Ending of the scripts' names, with the dot; empty for programs. */
  readonly ending: string;
  /** Whether the action prints its result as JSON, or text. */
  readonly result: "json" | "text";
  /** The action's script. */
  readonly greet: string;
  /** The sensor's script. `pack` is the pack's ref. */
  readonly clock: (pack: string) => string;
}
