import { backendEnv, startServers } from "../tests/support/backends.ts";
import { daemonIn } from "../tests/support/daemon.ts";
import { openDatabase } from "../tests/support/database.ts";
import { makeProject } from "../tests/support/project.ts";
import { streamState } from "../tests/support/stream.ts";
import { until } from "../tests/support/until.ts";
import type { Figure, Row } from "./figure.ts";

const events = 50_000;

/**
 * Events a second from a sensor's line through JetStream to the commit of event, enforcement, execution and job. The
 * action never ends, so that what is measured is not the running of scripts.
 */
export const stream: Figure = { name: "stream", measure };

async function measure(): Promise<Row[]> {
  await using servers = await startServers();
  const project = makeProject({ env: await backendEnv(servers) });
  project.writePacks({
    "bench/pack.yaml": "ref: bench\nversion: 1.0.0\n",
    "bench/triggers/number.yaml": "ref: bench.number\n",
    "bench/sensors/burst.yaml": "ref: bench.burst\nentry_point: burst.sh\ntrigger_types: [number]\n",
    "bench/sensors/burst.sh": `#!/bin/sh\nseq ${events} | sed 's/.*/{"event_id":"&","payload":{"n":"&"}}/'\nexec sleep 100000\n`,
    "bench/actions/wait.yaml": "ref: bench.wait\nentry_point: wait.sh\nparameters: { n: { type: string } }\n",
    "bench/actions/wait.sh": "exec sleep 100000\n",
    "bench/rules/each.yaml": `ref: bench.each\ntrigger_ref: number\naction_ref: wait\naction_params: { n: "{{ event.payload.n }}" }\n`,
  });
  await using daemon = daemonIn(project);
  await daemon.restart();
  await using database = await openDatabase(project);
  const began = await database.query<{ at: Date }>("SELECT min(created) AS at FROM event").then(([row]) => row?.at ?? new Date());
  const elapsed = await until(
    "all events are committed",
    async () => {
      await Bun.sleep(100);
      const [row] = await database.query<{ count: number; now: Date; first: Date | null }>(
        "SELECT count(*)::int AS count, clock_timestamp() AS now, min(created) AS first FROM event",
      );
      return row !== undefined && row.count >= events && row.now.getTime() - (row.first ?? began).getTime();
    },
    { timeout: 120_000 },
  );
  const [counts] = await database.query<{ events: number; executions: number; jobs: number }>(
    `SELECT (SELECT count(*) FROM event)::int AS events, (SELECT count(*) FROM execution)::int AS executions,
       (SELECT count(*) FROM attune_boss.job)::int AS jobs`,
  );
  const { stored } = await streamState(servers.nats.url);
  // The actions would be waited for.
  await daemon.kill9();
  const rate = (events * 1_000) / elapsed;
  const missing = 4 * events - (counts?.events ?? 0) - (counts?.executions ?? 0) - (counts?.jobs ?? 0) - stored;
  return [
    {
      name: "events through JetStream, committed with their job",
      value: rate,
      unit: "/s",
      target: { least: 10_000 },
      note: `${events} events`,
    },
    { name: "lost or twice", value: Math.abs(missing), unit: "", target: { most: 0 } },
  ];
}
