import { describe } from "bun:test";
import { join } from "node:path";
import { builtinRuntimes } from "../../src/plugins/index.ts";
import { runtimeContract } from "../../src/sdk/testing/runtime.ts";
import { testCases } from "../support/contract.ts";

/** A script for each built-in runtime: prints its parameter `message`, ends with its parameter `exit_code`. */
const scripts: Readonly<Record<string, string>> = {
  shell: "hello.sh",
  python: "hello.py",
  bun: "hello.ts",
  native: "hello.sh",
};

const fixtures = join(import.meta.dir, "../fixtures/runtime");
for (const runtime of builtinRuntimes({ preload: join(import.meta.dir, "../../src/sdk/preload.ts") })) {
  describe(`the contract: ${runtime.name}`, () => {
    testCases(runtimeContract(runtime, { script: join(fixtures, scripts[runtime.name] ?? "missing") }));
  });
}
