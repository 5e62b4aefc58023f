import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type BackendName, backendEnv, backendNames, type Servers, startServers } from "../support/backends.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { openDatabase } from "../support/database.ts";
import { streamState } from "../support/stream.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const packs = {
  "ticker/pack.yaml": "ref: ticker\nversion: 1.0.0\n",
  "ticker/rules/tick.yaml": `ref: ticker.tick
trigger_ref: core.intervaltimer
trigger_params: { unit: seconds, interval: 1 }
action_ref: core.echo
action_params: { message: "tick {{ event.payload.execution_count }} of {{ event.payload.sensor_ref }}" }
`,
};

interface Execution {
  readonly id: string;
  readonly action_ref: string;
  readonly rule_ref: string;
  readonly event_id: string;
  readonly status: string;
  readonly parameters: { readonly message: string };
  readonly result: { readonly exit_code: number; readonly succeeded: boolean; readonly stdout: string };
  readonly exit_code: number;
  readonly attempt: number;
}

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(async () => {
  await servers[Symbol.asyncDispose]();
});

async function completed(daemon: TestDaemon, count: number): Promise<Execution[]> {
  return until(`${count} executions of the rule are completed`, async () => {
    const list = await daemon.cli("execution", "list", "--rule", "ticker.tick", "--status", "completed", "-o", "json");
    const executions = list.json<Execution[]>();
    return executions.length >= count && executions.reverse();
  });
}

for (const backend of backendNames) {
  test(`a rule on core.intervaltimer runs core.echo: ${backend}`, async () => {
    await using daemon = await startDaemon({ packs, env: await envOf(backend) });
    const [first, second] = await completed(daemon, 2);

    expect(first).toMatchObject({
      action_ref: "core.echo",
      rule_ref: "ticker.tick",
      status: "completed",
      exit_code: 0,
      attempt: 1,
      parameters: { message: "tick 1 of core.interval_timer_sensor" },
    });
    expect(first?.result).toMatchObject({ exit_code: 0, succeeded: true });
    expect(second?.parameters.message).toBe("tick 2 of core.interval_timer_sensor");

    const log = await daemon.cli("execution", "logs", String(first?.id));
    expect(log.code).toBe(0);
    expect(log.stdout.trimEnd()).toBe("tick 1 of core.interval_timer_sensor");

    const event = (await daemon.cli("event", "show", String(first?.event_id), "-o", "json")).json();
    expect(event).toMatchObject({
      id: first?.event_id,
      trigger_ref: "core.intervaltimer",
      sensor_ref: "core.interval_timer_sensor",
      payload: { type: "interval", interval_seconds: 1, execution_count: 1 },
    });
    const enforcements = await daemon.cli("enforcement", "list", "--event", String(first?.event_id), "-o", "json");
    expect(enforcements.json()).toMatchObject([{ rule_ref: "ticker.tick", status: "fired", reason: null }]);
    expect(await daemon.stop()).toBe(0);
  });
}

test("the stream and the job table show the traffic", async () => {
  const env = await envOf("external PostgreSQL, NATS");
  const before = await streamState(servers.nats.url);
  await using daemon = await startDaemon({ packs, env });
  const executions = await completed(daemon, 3);
  await using database = await openDatabase(daemon.project);

  expect((await streamState(servers.nats.url)).stored - before.stored).toBeGreaterThanOrEqual(3);
  const jobs = await database.query<{ id: string; state: string }>(
    "SELECT id, state::text AS state FROM attune_boss.job WHERE id = ANY($1::uuid[])",
    [executions.map((execution) => execution.id)],
  );
  // An execution is read as completed in the transaction that completes its job.
  expect(jobs).toHaveLength(executions.length);
  expect(jobs.every((job) => job.state === "completed")).toBe(true);

  const status = (await daemon.cli("status", "-o", "json")).json<{ storage: object; transport: object }>();
  expect(status.storage).toMatchObject({ description: expect.stringContaining("127.0.0.1"), available: true });
  expect(status.transport).toMatchObject({ description: expect.stringContaining("NATS JetStream"), available: true });
});

const envOf = (backend: BackendName) => backendEnv(backend === "external PostgreSQL, NATS" ? servers : null);
