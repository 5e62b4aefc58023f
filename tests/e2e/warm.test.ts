import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { isRunning, parentOf, type RunningProcess } from "../support/running.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(90_000);

/** An action in the manner of the Python SDK: reads its parameters as one document, prints one line. */
const sdkScript = `import json, os, sys
import shared
given = json.loads(sys.stdin.read() or "{}")
print(json.dumps({"parent": os.getppid(), "given": given, "shared": shared.value, "action": os.environ["ATTUNE_ACTION"]}))
`;
const action = (name: string, more = "") =>
  `ref: p.${name}\nrunner_type: python\nentry_point: ${name}.py\nparameter_delivery: stdin\nparameter_format: json\noutput_format: json\nparameters: { n: { type: integer, default: 1 } }\n${more}`;
const packs = {
  "p/pack.yaml": "ref: p\nversion: 1.0.0\n",
  "p/lib/shared.py": "value = 'from lib'\n",
  "p/actions/report.yaml": action("report"),
  "p/actions/report.py": sdkScript,
  "p/actions/alone.yaml": action("alone", "warm: false\n"),
  "p/actions/alone.py": sdkScript,
  "p/actions/wait.yaml": action("wait"),
  "p/actions/wait.py": "import os, time\nopen(os.path.expanduser('~/up'), 'w').close()\ntime.sleep(600)\n",
  "q/pack.yaml": "ref: q\nversion: 1.0.0\nwarm: false\n",
  "q/lib/shared.py": "value = 'of q'\n",
  "q/actions/report.yaml": action("report").replaceAll("p.report", "q.report"),
  "q/actions/report.py": sdkScript,
};

interface Report {
  readonly parent: number;
  readonly given: { readonly n: number };
  readonly shared: string;
  readonly action: string;
}

async function run(daemon: TestDaemon, ref: string): Promise<Report> {
  const { stdout, stderr } = await daemon.cli("run", ref, "n=7", "-o", "json");
  const { result } = JSON.parse(stdout || "{}") as { result?: { data?: Report } };
  if (!result?.data) throw new Error(`${ref} gave ${stdout}${stderr}`);
  return result.data;
}

const servers = (daemon: TestDaemon): RunningProcess[] =>
  daemon.project.processes().filter(({ pid, argv }) => argv.at(-1)?.endsWith("python-warm.py") && parentOf(pid) === daemon.pid);

async function warmUp(daemon: TestDaemon): Promise<number> {
  return until("p.report is started warm", async () => {
    const { parent } = await run(daemon, "p.report");
    return parent !== daemon.pid && parent;
  });
}

test("an action in Python starts cold first and warm then, and what says warm: false always cold", async () => {
  await using daemon = await startDaemon({ packs });
  expect(servers(daemon)).toEqual([]);
  const cold = await run(daemon, "p.report");
  expect(cold).toEqual({ parent: daemon.pid, given: { n: 7 }, shared: "from lib", action: "p.report" });
  const server = await warmUp(daemon);
  expect(servers(daemon).map(({ pid }) => pid)).toEqual([server]);
  expect(await run(daemon, "p.report")).toEqual({ ...cold, parent: server });
  expect((await run(daemon, "p.alone")).parent).toBe(daemon.pid);
  expect(await run(daemon, "q.report")).toMatchObject({ parent: daemon.pid, shared: "of q" });

  // A changed script and a changed module are in force with the reload, without another server.
  daemon.project.writePacks({ "p/lib/shared.py": "value = 'changed'\n" });
  await until("the change is live", async () => (await run(daemon, "p.report")).shared === "changed");
  expect((await run(daemon, "p.report")).parent).toBe(server);

  expect(await daemon.stop()).toBe(0);
  expect(isRunning(server)).toBe(false);
});

test("`warm: false` in the configuration turns it off", async () => {
  await using daemon = await startDaemon({ packs, config: "export default { warm: false };\n" });
  for (let i = 0; i < 3; i++) expect((await run(daemon, "p.report")).parent).toBe(daemon.pid);
  expect(servers(daemon)).toEqual([]);
});

test("after a kill of the daemon its server ends, and the next start ends what it had started", async () => {
  await using daemon = await startDaemon({ packs });
  const server = await warmUp(daemon);
  await daemon.cli("run", "p.wait", "--no-wait");
  await until("it waits", () => existsSync(join(daemon.project.scratch, "../home/up")));
  const waiting = await until("it is found", () =>
    daemon.project.processes().find(({ pid }) => pid !== server && parentOf(pid) === server),
  );
  await daemon.kill9();
  expect(isRunning(waiting.pid)).toBe(true);
  await daemon.restart();
  await until("both are gone", () => !isRunning(waiting.pid) && !isRunning(server));
  const list = await daemon.cli("execution", "list", "--action", "p.wait", "-o", "json");
  expect(list.json<{ status: string }[]>().map(({ status }) => status)).toEqual(["abandoned"]);
});
