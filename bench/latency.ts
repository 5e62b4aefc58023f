import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { backendEnv, startServers } from "../tests/support/backends.ts";
import { daemonIn } from "../tests/support/daemon.ts";
import { makeProject, type Project } from "../tests/support/project.ts";
import { until } from "../tests/support/until.ts";
import { payloads, runBare, shell } from "./bare.ts";
import { type Figure, quantile, type Row } from "./figure.ts";

const perSecond = 10;
const samples = 200;
/** The first ones meet cold caches on every side. */
const warmUp = 20;

/** Milliseconds from a sensor's line to the first instruction of the script it leads to, at 10 events/s. */
export const latency: Figure = {
  name: "latency",
  async measure() {
    const embedded = await measureOn("embedded", {});
    await using servers = await startServers();
    return [...embedded, ...(await measureOn("PostgreSQL + NATS", await backendEnv(servers)))];
  },
};

const sensorScript = `let n = 0;
const count = Number(process.env.ATTUNE_SENSOR_COUNT);
const timer = setInterval(() => {
  console.log(JSON.stringify({ payload: { t: ((performance.timeOrigin + performance.now()) / 1000).toFixed(6) } }));
  if (++n === count) clearInterval(timer);
}, ${1_000 / perSecond});
setTimeout(() => {}, 1e9);
`;
/** bash tells the time by itself; asking \`date\` would cost a process. */
const actionScript = `now=\${EPOCHREALTIME:-$(date +%s.%6N)}
echo "$ATTUNE_ACTION_T $now" >> "$ATTUNE_ACTION_FILE"
`;

async function measureOn(name: string, env: Record<string, string>): Promise<Row[]> {
  const project = makeProject({ env });
  const file = join(project.scratch, "times");
  const total = samples + warmUp;
  project.writePacks({
    "bench/pack.yaml": "ref: bench\nversion: 1.0.0\n",
    "bench/triggers/tick.yaml": "ref: bench.tick\n",
    "bench/sensors/ticker.yaml": `ref: bench.ticker\nentry_point: ticker.ts\ntrigger_types: [tick]\nconfig: { count: ${total} }\n`,
    "bench/sensors/ticker.ts": sensorScript,
    "bench/actions/note.yaml":
      "ref: bench.note\nentry_point: note.sh\nparameters: { t: { type: string }, file: { type: string } }\n",
    "bench/actions/note.sh": actionScript,
    "bench/rules/each.yaml": `ref: bench.each\ntrigger_ref: tick\naction_ref: note\naction_params: { t: "{{ event.payload.t }}", file: ${JSON.stringify(file)} }\n`,
  });
  await using daemon = daemonIn(project);
  const before = await measureFloor(project, file);
  await daemon.restart();
  await until("all events have led to a script", () => linesOf(file).length >= total, { timeout: 60_000 });
  const times = millisecondsIn(file);
  await daemon.stop();
  rmSync(file);
  const floor = [...before, ...(await measureFloor(project, file))];
  const p50 = quantile(times, 0.5);
  const floorP50 = quantile(floor, 0.5);
  return [
    { name: `${name}: bare floor p50`, value: floorP50, unit: "ms" },
    { name: `${name}: bare floor p99`, value: quantile(floor, 0.99), unit: "ms" },
    { name: `${name}: line to script p50`, value: p50, unit: "ms", target: { most: floorP50 + 3 }, note: shell },
    {
      name: `${name}: line to script p99`,
      value: quantile(times, 0.99),
      unit: "ms",
      target: { most: 30 },
      note: `${samples} events`,
    },
  ];
}

/** Half of the samples: it is taken before and after. */
async function measureFloor(project: Project, file: string): Promise<number[]> {
  const count = samples / 2 + warmUp;
  const packs = join(project.dir, "packs/bench");
  const sensor = [process.execPath, "run", join(packs, "sensors/ticker.ts")];
  const runs: Promise<void>[] = [];
  for await (const payload of payloads(sensor, { ATTUNE_SENSOR_COUNT: String(count) })) {
    runs.push(runBare(join(packs, "actions/note.sh"), { t: String(payload["t"]), file }));
    if (runs.length === count) break;
  }
  await Promise.all(runs);
  const times = millisecondsIn(file);
  rmSync(file);
  return times;
}

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

function millisecondsIn(file: string): number[] {
  return linesOf(file)
    .slice(warmUp)
    .map((line) => {
      const [said, done] = line.split(" ").map(Number) as [number, number];
      return (done - said) * 1_000;
    });
}
