import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestDaemon } from "./daemon.ts";
import { openDatabase, type TestDatabase } from "./database.ts";
import type { Project } from "./project.ts";
import { streamState } from "./stream.ts";
import { until } from "./until.ts";

/**
 * A pack whose sensor counts for each of its two rules and goes on, after a restart, where its checkpoint says. The rules'
 * action appends one line `rule number execution` to the file `effects`, in one write. It stops when `effects`.stop exists, and
 * writes to `effects`.counted how far it came.
 */
export function loadPack(options: { readonly perSecond: number; readonly effects: string }): Record<string, string> {
  const rule = (name: string) => `ref: load.${name}
trigger_ref: load.number
trigger_params: { pause_ms: ${Math.round(2_000 / options.perSecond)}, effects: ${JSON.stringify(options.effects)} }
action_ref: load.append
action_params: { line: "load.${name} {{ event.payload.n }}", file: ${JSON.stringify(options.effects)} }
`;
  return {
    "load/pack.yaml": "ref: load\nversion: 1.0.0\n",
    "load/triggers/number.yaml":
      "ref: load.number\nparameters: { pause_ms: { type: integer }, effects: { type: string } }\noutput: { n: { type: integer } }\n",
    "load/sensors/counter.yaml": "ref: load.counter\nentry_point: counter.ts\ntrigger_types: [load.number]\n",
    "load/sensors/counter.ts": counterScript,
    "load/actions/append.yaml":
      "ref: load.append\nentry_point: append.sh\nparameters: { line: { type: string }, file: { type: string } }\n",
    "load/actions/append.sh": `#!/bin/sh
printf '%s %s\\n' "$ATTUNE_ACTION_LINE" "$ATTUNE_EXEC_ID" >> "$ATTUNE_ACTION_FILE"
`,
    "load/rules/first.yaml": rule("first"),
    "load/rules/second.yaml": rule("second"),
  };
}

const counterScript = `import { existsSync, writeFileSync } from "node:fs";
import { runSensor, type SensorRule } from "attune";

await runSensor((sensor) => {
  let counting: readonly { readonly rule: SensorRule; n: number }[] = [];
  return {
    rules(rules) {
      counting = rules.map((rule) => ({ rule, n: Number(rule.checkpoint?.["n"] ?? 0) }));
    },
    async run(signal) {
      const effects = String(counting[0]?.rule.params["effects"]);
      while (!signal.aborted && !existsSync(effects + ".stop")) {
        for (const one of counting) {
          const n = ++one.n;
          await sensor.emit({ trigger: one.rule.trigger, rule: one.rule, id: \`\${one.rule.ref} \${n}\`, payload: { n }, checkpoint: { n } });
        }
        await Bun.sleep(Number(counting[0]?.rule.params["pause_ms"] ?? 100));
      }
      const counted = Object.fromEntries(counting.map(({ rule, n }) => [rule.ref, n]));
      if (!signal.aborted) writeFileSync(effects + ".counted", JSON.stringify(counted));
    },
  };
});
`;

/** What is wrong after a run under load, counted without knowledge of how the daemon works; all lists should be empty. */
export interface Faults {
  /** Numbers of a rule the sensor has counted, of which there is no event although there is a later one. */
  readonly lost: readonly string[];
  /** A rule and number that had an effect more than once. */
  readonly twice: readonly string[];
  /** Events that a rule should have made into exactly one execution. */
  readonly unanswered: readonly string[];
  /** Executions that are not over, ended in an unexpected way, or whose job is not over. */
  readonly stuck: readonly string[];
  /** Completed executions without an effect, and effects without an execution. */
  readonly disagreeing: readonly string[];
  /** What was put aside instead of stored, with the reason. */
  readonly rejected: readonly string[];
}
export const noFaults: Faults = { lost: [], twice: [], unanswered: [], stuck: [], disagreeing: [], rejected: [] };

export interface LoadReport {
  readonly faults: Faults;
  readonly events: number;
  readonly completed: number;
  readonly abandoned: number;
}

/** Tells the sensor to stop counting, waits until everything that was accepted is over, and counts. Prints the log with a fault. */
export async function settleAndCount({ project, log }: TestDaemon, effects: string): Promise<LoadReport> {
  // The rules stay enabled: an event for a rule that no longer is would rightly have no execution.
  writeFileSync(`${effects}.stop`, "");
  await using database = await openDatabase(project);
  await settled(database, effects, project.env["NATS_URL"]);
  const report = await count(database, effects);
  if (Object.values(report.faults).some((list) => list.length > 0)) console.error(log());
  return report;
}

/** All that was counted is there, nothing is open, and nothing new comes: also what a killed daemon took was delivered again. */
async function settled(database: TestDatabase, effects: string, natsUrl: string | undefined): Promise<void> {
  const look = async () => {
    const last = await database.query<{ rule: string; n: number }>(
      "SELECT rule_ref AS rule, max((payload->>'n')::int) AS n FROM event WHERE trigger_ref = 'load.number' GROUP BY rule_ref",
    );
    const [row] = await database.query<{ events: number; open: number }>(
      "SELECT (SELECT count(*) FROM event)::int AS events, (SELECT count(*) FROM execution WHERE finished IS NULL)::int AS open",
    );
    const pending = natsUrl === undefined ? 0 : (await streamState(natsUrl)).pending;
    return { last, events: row?.events, open: Number(row?.open) + pending };
  };
  const counted = await until<Record<string, number>>("the sensor stopped counting", () =>
    JSON.parse(readFileSync(`${effects}.counted`, "utf8")),
  );
  await until(
    "what was counted is stored",
    async () => {
      const { last } = await look();
      return Object.entries(counted).every(([rule, n]) => last.some((one) => one.rule === rule && one.n >= n));
    },
    { timeout: 60_000 },
  );
  let last = await look();
  let since = performance.now();
  await until(
    "everything accepted is over",
    async () => {
      const now = await look();
      if (now.events !== last.events || now.open > 0) since = performance.now();
      last = now;
      return performance.now() - since > 1_000;
    },
    { timeout: 120_000 },
  );
}

interface EventRow {
  readonly id: string;
  readonly rule: string;
  readonly n: number;
  readonly enforcements: number;
  readonly execution: string | null;
  readonly status: string | null;
  readonly job: string | null;
}

async function count(database: TestDatabase, effectsFile: string): Promise<LoadReport> {
  const events = await database.query<EventRow>(
    `SELECT e.id, e.rule_ref AS rule, (e.payload->>'n')::int AS n, x.id AS execution, x.status, j.state::text AS job,
       (SELECT count(*) FROM enforcement f WHERE f.event_id = e.id)::int AS enforcements
     FROM event e LEFT JOIN execution x ON x.event_id = e.id LEFT JOIN attune_boss.job j ON j.id = x.id
     WHERE e.trigger_ref = 'load.number' ORDER BY e.rule_ref, n`,
  );
  const rejected = await database.query<{ excerpt: string; reason: string }>("SELECT excerpt, reason FROM rejected_event");
  const effects = readEffects(effectsFile);
  const name = ({ rule, n }: { rule: string; n: number }) => `${rule} ${n}`;
  const numbers = new Map<string, number>();
  const lost: string[] = [];
  for (const { rule, n } of events) {
    for (let missing = (numbers.get(rule) ?? 0) + 1; missing < n; missing++) lost.push(`${rule} ${missing}`);
    numbers.set(rule, n);
  }
  const known = new Map(events.map((event) => [name(event), event]));
  const effectCounts = Map.groupBy(effects, (effect) => effect.what);
  const faults: Faults = {
    lost,
    twice: [...effectCounts].filter(([, list]) => list.length > 1).map(([what]) => what),
    unanswered: events.filter((event) => event.enforcements !== 1 || event.execution === null).map(name),
    stuck: events
      .filter(({ status, job }) => status !== null && !(["completed", "abandoned"].includes(status) && job === "completed"))
      .map((event) => `${name(event)}: ${event.status}, job ${event.job}`),
    disagreeing: [
      ...events
        .filter((event) => event.status === "completed" && !effectCounts.has(name(event)))
        .map((event) => `no effect of ${name(event)}`),
      ...effects
        .filter(({ what, execution }) => known.get(what)?.execution !== execution)
        .map(({ what }) => `unknown effect ${what}`),
    ],
    rejected: rejected.map(({ excerpt, reason }) => `${reason}: ${excerpt}`),
  };
  // A join that found an event twice would hide a second execution.
  if (known.size !== events.length) throw new Error("an event has more than one execution");
  const having = (status: string) => events.filter((event) => event.status === status).length;
  return { faults, events: events.length, completed: having("completed"), abandoned: having("abandoned") };
}

function readEffects(file: string): { what: string; execution: string }[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  if (lines.pop() !== "") throw new Error(`${file} ends within a line`);
  return lines.map((line) => {
    const [rule, n, execution] = line.split(" ");
    return { what: `${rule} ${n}`, execution: String(execution) };
  });
}

export function effectsFile(project: Pick<Project, "scratch">): string {
  return join(project.scratch, "effects");
}
