import { existsSync } from "node:fs";
import { resolve } from "node:path";

const repository = resolve(import.meta.dir, "../..");

/**
 * How to start attune: the release build, or what ATTUNE_TEST_BINARY names, another build or `src/main.ts`. Throws when the
 * build is missing, so that no test is passed over.
 */
export function attuneCommand(): readonly [string, ...string[]] {
  const program = resolve(repository, process.env["ATTUNE_TEST_BINARY"] ?? "dist/attune");
  if (!existsSync(program)) throw new Error(`${program} is missing: run npm run build`);
  return program.endsWith(".ts") ? [resolve(repository, "node_modules/.bin/bun"), program] : [program];
}
