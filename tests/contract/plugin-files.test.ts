import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pluginTemplates } from "../../src/cli/plugin-templates.ts";
import { silentLogger } from "../../src/core/log.ts";
import { loadModule, provideSdk } from "../../src/core/modules.ts";
import type { OpenContext, StoragePlugin, TransportPlugin } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import * as host from "../../src/sdk/host.ts";
import { transportContract } from "../../src/sdk/testing/transport.ts";
import { testCases } from "../support/contract.ts";
import { writePack } from "../support/packs.ts";
import { parsePage } from "../support/page.ts";
import { startPostgres } from "../support/postgres.ts";
import { repository } from "../support/script.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "attune-plugin-files-"));
  provideSdk(host, () => import("../../src/sdk/testing/index.ts"));
  const page = parsePage(readFileSync(join(repository, "docs/plugins.md"), "utf8"));
  writePack(dir, Object.fromEntries(page.flatMap((block) => (block.kind === "file" ? [[block.path, block.content]] : []))));
  writePack(dir, { "moves.ts": pluginTemplates.transport("moves"), "kept.ts": pluginTemplates.storage("kept-here") });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const load = async <P>(path: string) => (await loadModule(join(dir, path), join(dir, "cache"), "PLUGIN_INVALID")) as P;

for (const [what, path] of [
  ["that attune plugin create writes", "moves.ts"],
  ["of docs/plugins.md", "plugins/spool/index.ts"],
] as const) {
  describe(`the transport ${what} keeps the contract:`, () => {
    const open = async (context: OpenContext) => (await load<TransportPlugin>(path)).open(context);
    testCases(transportContract(open, { formsBatches: true }));
  });
}

test("the storage that attune plugin create writes takes the database that the variable names", async () => {
  const server = await startPostgres();
  process.env["KEPT_HERE_URL"] = server.url;
  const scope = createScope("test", silentLogger);
  try {
    const plugin = await load<StoragePlugin>("kept.ts");
    const storage = await plugin.open({ scope, log: silentLogger, dataDir: dir, projectDir: dir });
    expect(storage.description).toContain(new URL(server.url).port);
    expect((await storage.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
  } finally {
    delete process.env["KEPT_HERE_URL"];
    await scope.end();
    await server.stop();
  }
});
