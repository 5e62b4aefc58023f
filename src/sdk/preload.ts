/**
 * Loaded by `--preload` before each TypeScript action and sensor: makes `import ... from "attune"` work without anything
 * installed beside the script. Scripts that try plugins get what plugin files import, and `attune/testing`.
 */
import { AttuneError } from "../core/errors.ts";
import * as define from "./define.ts";
import * as script from "./script.ts";

const exports = { AttuneError, ...define, ...script };

Bun.plugin({
  name: "attune",
  setup(build) {
    build.module("attune", () => ({ exports: { ...exports, default: exports }, loader: "object" }));
    // As large as this is small, and hardly ever asked for.
    build.module("attune/testing", async () => ({ exports: { ...(await import("./testing/index.ts")) }, loader: "object" }));
  },
});

// Inherited by an `attune` that the script starts, it would turn that one into bun.
delete process.env["BUN_BE_BUN"];
