import path from "node:path";
import type { Action } from "../registry.ts";

/** An action that no file defines: a script run with its parameters on stdin and in `ATTUNE_ACTION_<NAME>`. */
export function looseAction(of: { ref: string; runtime: string; file: string; dir: string }): Action {
  return {
    kind: "action",
    ref: of.ref,
    pack: of.ref.slice(0, of.ref.indexOf(".")),
    label: of.ref,
    description: null,
    enabled: true,
    tags: [],
    file: "",
    hash: "",
    runtime: of.runtime,
    runtime_version: null,
    warm: false,
    entrypoint: of.file,
    inline: false,
    entry_point: path.basename(of.file),
    dir: of.dir,
    parameters: {},
    output: {},
    delivery: "compat",
    format: "json",
    // Output that is not JSON is kept as text.
    output_format: "json",
    timeout: null,
  };
}
