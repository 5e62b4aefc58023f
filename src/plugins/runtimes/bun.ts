import path from "node:path";
import type { RuntimePlugin } from "../../core/plugin.ts";
import { bunEnvironment } from "./bun-environment.ts";

/**
 * TypeScript and JavaScript, run by the daemon's own executable, which is also Bun: nothing needs to be installed.
 * `preload` is the script that provides `attune` to them and takes BUN_BE_BUN out of their environment again.
 */
export function bun(preload: string): RuntimePlugin {
  return {
    kind: "runtime",
    name: "bun",
    api: 1,
    description: "TypeScript and JavaScript on the built-in Bun",
    aliases: ["typescript", "ts"],
    extensions: [".ts", ".mts"],
    probe: () => ({ path: process.execPath, version: Bun.version }),
    environment: bunEnvironment,
    launch({ entrypoint, environment, pack }) {
      const modules = environment === null ? [] : [path.join(environment, "node_modules")];
      return {
        // Without these flags Bun would install missing packages and obey .env and bunfig.toml of the pack.
        argv: [process.execPath, "run", "--no-install", "--no-env-file", "--config=/dev/null", "--preload", preload, entrypoint],
        env: { BUN_BE_BUN: "1", NODE_PATH: [...modules, path.join(pack.dir, "lib")].join(path.delimiter) },
      };
    },
  };
}
