import type { Logger } from "./plugin.ts";

/** A logger that says nothing, for tests and for reading packs without a daemon. Apart from what really logs, which is large. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger };
