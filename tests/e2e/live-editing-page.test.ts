import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { parsePage, replayPage } from "../support/page.ts";
import { repository } from "../support/script.ts";

setDefaultTimeout(120_000);

const page = readFileSync(join(repository, "docs/live-editing.md"), "utf8");

test("what the page on live editing shows is what happens", async () => {
  const kinds = Map.groupBy(parsePage(page), (block) => block.kind);
  expect(kinds.get("file")?.length).toBeGreaterThan(4);
  expect(kinds.get("command")?.length).toBeGreaterThan(10);
  expect(kinds.get("log")?.length).toBeGreaterThan(5);
  await using daemon = await startDaemon({ env: { ATTUNE_LOG_FORMAT: "pretty" } });
  await replayPage(page, daemon);
});
