import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { parsePage, replayPage } from "../support/page.ts";
import { repository } from "../support/script.ts";

setDefaultTimeout(120_000);

const page = readFileSync(join(repository, "docs/pack-authoring.md"), "utf8");

test("what the page on writing packs shows is what happens", async () => {
  const kinds = Map.groupBy(parsePage(page), (block) => block.kind);
  expect(kinds.get("file")?.length).toBeGreaterThan(2);
  expect(kinds.get("command")?.length).toBeGreaterThan(7);
  await using daemon = await startDaemon();
  await replayPage(page, daemon);
});
