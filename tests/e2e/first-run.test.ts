import { expect, setDefaultTimeout, test } from "bun:test";
import { daemonIn } from "../support/daemon.ts";
import { makeProject } from "../support/project.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

interface Execution {
  readonly id: string;
  readonly status: string;
}

test("in an empty directory, init and daemon run the core pack within 10 s", async () => {
  // Without `await using` for the project: the daemon removes it.
  const project = makeProject({ env: { PATH: "/usr/bin:/bin" } });
  await using daemon = daemonIn(project);
  const began = performance.now();
  expect((await project.cli("init")).code).toBe(0);
  daemon.launch();
  const completed = await until(
    "three executions of core.echo are completed",
    async () => {
      const { stdout } = await project.cli("execution", "list", "--action", "core.echo", "--status", "completed", "-o", "json");
      const executions = JSON.parse(stdout) as Execution[];
      return executions.length >= 3 && executions;
    },
    { timeout: 10_000 },
  );
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(completed.every((execution) => execution.status === "completed")).toBe(true);
  expect(await daemon.stop()).toBe(0);
  expect(daemon.log()).toContain("embedded PostgreSQL");
});
