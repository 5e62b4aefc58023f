/**
 * Loaded by `--preload` before each TypeScript action and sensor: makes `import ... from "attune"` work without anything
 * installed beside the script.
 */
import * as script from "./script.ts";

Bun.plugin({
  name: "attune",
  setup(build) {
    build.module("attune", () => ({ exports: { ...script, default: script }, loader: "object" }));
  },
});

// Inherited by an `attune` that the script starts, it would turn that one into bun.
delete process.env["BUN_BE_BUN"];
