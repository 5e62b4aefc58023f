import { readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { backendEnv, startServers } from "../tests/support/backends.ts";
import { daemonIn } from "../tests/support/daemon.ts";
import { openDatabase } from "../tests/support/database.ts";
import { makeProject } from "../tests/support/project.ts";
import { until } from "../tests/support/until.ts";
import { runBare } from "./bare.ts";
import type { Figure, Row } from "./figure.ts";

const events = 2_000;
/** The daemon's default. */
const concurrency = Math.max(4, 2 * availableParallelism());

/** Shell executions a second, out of a burst of events, each with its full record. */
export const throughput: Figure = {
  name: "throughput",
  async measure() {
    const embedded = await measureOn("embedded", {});
    await using servers = await startServers();
    return [...embedded, ...(await measureOn("PostgreSQL + NATS", await backendEnv(servers)))];
  },
};

const actionScript = 'echo "$ATTUNE_ACTION_N" >> "$ATTUNE_ACTION_FILE"\n';

async function measureOn(name: string, env: Record<string, string>): Promise<Row[]> {
  const project = makeProject({ env });
  const file = join(project.scratch, "effects");
  project.writePacks({
    "bench/pack.yaml": "ref: bench\nversion: 1.0.0\n",
    "bench/triggers/number.yaml": "ref: bench.number\n",
    "bench/sensors/burst.yaml": "ref: bench.burst\nentry_point: burst.sh\ntrigger_types: [number]\n",
    "bench/sensors/burst.sh": `#!/bin/sh\nseq ${events} | sed 's/.*/{"event_id":"&","payload":{"n":"&"}}/'\nexec sleep 100000\n`,
    "bench/actions/append.yaml":
      "ref: bench.append\nentry_point: append.sh\nparameters: { n: { type: string }, file: { type: string } }\n",
    "bench/actions/append.sh": actionScript,
    "bench/rules/each.yaml": `ref: bench.each
trigger_ref: number
action_ref: append
action_params: { n: "{{ event.payload.n }}", file: ${JSON.stringify(file)} }
`,
  });
  await using daemon = daemonIn(project);
  const script = join(project.dir, "packs/bench/actions/append.sh");
  const floors = [await bareRate(script, file)];
  await daemon.restart();
  await using database = await openDatabase(project);
  const rate = await until(
    "every execution is over",
    async () => {
      const [row] = await database.query<{ done: number; seconds: number }>(
        `SELECT count(*) FILTER (WHERE x.status = 'completed')::int AS done,
           extract(epoch FROM max(x.finished) - min(e.created))::float8 AS seconds
         FROM execution x JOIN event e ON e.id = x.event_id`,
      );
      await Bun.sleep(250);
      return row?.done === events && events / row.seconds;
    },
    { timeout: 120_000 },
  );
  const effects = readFileSync(file, "utf8").trimEnd().split("\n");
  if (effects.length !== events || new Set(effects).size !== events)
    throw new Error(`${effects.length} effects of ${events} events`);
  await daemon.stop();
  floors.push(await bareRate(script, file));
  const floor = (floors[0]! + floors[1]!) / 2;
  return [
    { name: `${name}: bare floor`, value: floor, unit: "/s", note: `${concurrency} at once, before and after` },
    { name: `${name}: shell executions`, value: rate, unit: "/s", note: `${events} events at once` },
    { name: `${name}: share of the floor`, value: rate / floor, unit: "x", target: { least: 0.6 } },
  ];
}

async function bareRate(script: string, file: string): Promise<number> {
  let next = 0;
  const began = performance.now();
  const worker = async () => {
    while (next < events) await runBare(script, { n: String(++next), file });
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - began) / 1_000;
  rmSync(file);
  return events / seconds;
}
