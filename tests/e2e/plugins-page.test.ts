import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../support/daemon.ts";
import { parsePage, replayPage } from "../support/page.ts";
import { repository } from "../support/script.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);

const page = readFileSync(join(repository, "docs/plugins.md"), "utf8");

test("what the page on plugins shows is what happens", async () => {
  const kinds = Map.groupBy(parsePage(page), (block) => block.kind);
  expect(kinds.get("file")?.length).toBeGreaterThan(8);
  expect(kinds.get("command")?.length).toBeGreaterThan(10);
  expect(kinds.get("log")?.length).toBeGreaterThan(5);
  await using daemon = await startDaemon({ env: { ATTUNE_LOG_FORMAT: "pretty" } });
  await replayPage(page, daemon);

  // The transport of the page is opened at start, so it takes the configuration that the page shows, and another start.
  const config = /^```ts\n\/\/ attune\.config\.ts\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  expect(config).toContain("transport: spool");
  expect(await daemon.stop()).toBe(0);
  writeFileSync(join(daemon.dir, "attune.config.ts"), config);
  await daemon.restart();
  const { status } = (await daemon.cli("plugin", "show", "spool", "-o", "json")).json<{ status: string }>();
  expect(status).toBe("active");
  const { stdout } = await daemon.cli("trigger", "emit", "sums.tick", "n=100");
  await until("the event was handled", async () => (await daemon.cli("event", "show", stdout.trim())).code === 0);
  const run = ["execution", "list", "--rule", "sums.hundred", "--status", "completed", "-o", "json"];
  await until("its rule ran", async () => (await daemon.cli(...run)).json<unknown[]>().length > 0);
  // The sensor goes on, so what is there changes; what was handled does not stay.
  const spool = join(daemon.project.dataDir, "spool");
  const first = readdirSync(spool);
  await until("what lay in the spool is gone", () => !readdirSync(spool).some((name) => first.includes(name)));
});
