import { test } from "bun:test";
import type { Case } from "../../src/sdk/testing/case.ts";

/** Milliseconds a case may take. */
const limit = 15_000;

/** One test for each case of a contract. */
export function testCases(cases: readonly Case[]): void {
  for (const { name, run } of cases) test(name, () => run(AbortSignal.timeout(limit)), limit + 5_000);
}
