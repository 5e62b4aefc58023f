import { variableName } from "./environment.ts";
import { AttuneError } from "./errors.ts";
import type { Awaitable, JsonObject, Launch, LaunchTarget, Sql } from "./plugin.ts";
import type { Child, ChildSpec } from "./processes/child.ts";
import { createLineSplitter } from "./processes/lines.ts";
import type { Wanted } from "./processes/supervisor.ts";
import { allSensors, isActive, type Registry, type Rule, type Runtime, type Sensor } from "./registry.ts";

/** A sensor that some active rule needs. */
export interface WantedSensor extends Wanted {
  readonly sensor: Sensor;
  readonly rules: readonly Rule[];
  readonly runtime: Runtime | undefined;
}

/** The sensors that should run: enabled ones with at least one active rule on one of their triggers. Pure. */
export function wantedSensors(registry: Registry): WantedSensor[] {
  const wanted: WantedSensor[] = [];
  for (const sensor of allSensors(registry)) {
    if (!sensor.enabled || registry.packs.get(sensor.pack)?.manifest.enabled === false) continue;
    const rules = sensor.triggers.flatMap((trigger) => registry.rulesByTrigger.get(trigger) ?? []).filter(isActive);
    if (rules.length === 0) continue;
    const revision = Bun.hash(JSON.stringify(rules.map((rule) => entryOf(rule, null)))).toString(36);
    const runtime = registry.runtimes.get(sensor.runtime);
    wanted.push({
      ref: sensor.ref,
      sensor,
      rules,
      runtime,
      identity: sensor.control === "stdin" ? sensor.hash : `${sensor.hash} ${revision}`,
      revision: sensor.control === "stdin" ? revision : null,
      unavailable: unavailability(sensor, runtime),
    });
  }
  return wanted;
}

function unavailability(sensor: Sensor, runtime: Runtime | undefined): string | null {
  if (!runtime) return `runtime unavailable: nothing provides ${sensor.runtime}`;
  return runtime.state.available ? null : `runtime unavailable: ${runtime.state.reason}`;
}

/** A rule as its sensor is told of it: the superset of what all generations of the contract read (3.3). */
function entryOf(rule: Rule, checkpoint: JsonObject | null) {
  const { ref, trigger, trigger_params } = rule.definition;
  return {
    id: rule.id,
    rule_id: rule.id,
    ref,
    rule_ref: ref,
    trigger_ref: trigger,
    trigger_type: trigger,
    config: trigger_params,
    trigger_params,
    armed_at: rule.armedAt,
    checkpoint,
  };
}

async function entries(sql: Sql, wanted: WantedSensor) {
  const { rows } = await sql.query<{ rule_id: number; state: JsonObject }>("SELECT rule_id, state FROM checkpoint WHERE rule_id = ANY($1::bigint[])", [
    wanted.rules.map((rule) => rule.id),
  ]);
  const checkpoints = new Map(rows.map((row) => [row.rule_id, row.state]));
  return wanted.rules.map((rule) => entryOf(rule, checkpoints.get(rule.id) ?? null));
}

/** The line a `control: stdin` sensor gets. */
export async function rulesMessage(sql: Sql, wanted: WantedSensor): Promise<string> {
  return JSON.stringify({ type: "rules", rules: await entries(sql, wanted) });
}

export interface SensorStart {
  readonly sql: Sql;
  readonly start: (spec: ChildSpec) => Child;
  readonly filterLaunch: (launch: Launch, target: LaunchTarget) => Awaitable<Launch | null>;
  readonly environment: (pack: string) => Readonly<Record<string, string>>;
  /** Takes one line of output; resolves when what it said is safe. */
  readonly take: (sensor: Sensor, instance: string, sequence: number, line: string, signal: AbortSignal) => Promise<void>;
  readonly tooLong: (sensor: Sensor) => void;
}

/** Longest line of a sensor's output, in bytes. */
const longestLine = 1024 * 1024;
/** Lines of one sensor that may be on their way at once; at the limit it is not read any further. */
const inFlightLimit = 256;

/** Starts the process of a sensor and reads it. Its `exited` resolves after the last line was taken. */
export async function startSensor(context: SensorStart, wanted: WantedSensor, log: (line: string) => void): Promise<Child> {
  const { sensor, runtime } = wanted;
  if (!runtime?.state.available) throw new AttuneError("RUNTIME_UNAVAILABLE", unavailability(sensor, runtime) ?? "runtime unavailable");
  const target: LaunchTarget = {
    kind: "sensor",
    ref: sensor.ref,
    entrypoint: sensor.entrypoint,
    inline: false,
    pack: { ref: sensor.pack, dir: sensor.dir },
    interpreter: runtime.state.interpreter,
  };
  const launch = await context.filterLaunch(await runtime.launch(target), target);
  if (!launch) throw new AttuneError("REFUSED", "a plugin's process:launch hook refused to start it");

  const controller = new AbortController();
  const instance = crypto.randomUUID();
  const inFlight = new Set<Promise<void>>();
  let sequence = 0;
  const stdout = createLineSplitter(
    longestLine,
    async (line) => {
      if (line.trim() === "") return;
      const taken: Promise<void> = context
        .take(sensor, instance, sequence++, line, controller.signal)
        .finally(() => inFlight.delete(taken));
      inFlight.add(taken);
      if (inFlight.size >= inFlightLimit) await Promise.race(inFlight);
    },
    () => context.tooLong(sensor),
  );
  const stderr = createLineSplitter(64 * 1024, log, () => log("(a line too long to be kept)"));

  const child = context.start({
    argv: launch.argv,
    cwd: launch.cwd ?? sensor.dir,
    env: { ...context.environment(sensor.pack), ...launch.env, ...(await environmentOf(context.sql, wanted)) },
    stdin: sensor.control === "stdin" ? "open" : launch.stdin === undefined ? "none" : { text: launch.stdin },
    onStdout: stdout.push,
    onStderr: stderr.push,
  });
  const exited = child.exited.then(async (exit) => {
    await stdout.end();
    await stderr.end();
    await Promise.all(inFlight);
    return exit;
  });
  return {
    ...child,
    exited,
    async stop(grace) {
      const exit = await child.stop(grace);
      // What it wrote may wait for a database that is away; whoever stops it does not.
      controller.abort();
      await exited;
      return exit;
    },
  };
}

async function environmentOf(sql: Sql, wanted: WantedSensor): Promise<Record<string, string>> {
  const { sensor } = wanted;
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(sensor.config)) {
    env[`ATTUNE_SENSOR_${variableName(key)}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return {
    ...env,
    ATTUNE_PACK_REF: sensor.pack,
    ATTUNE_SENSOR_REF: sensor.ref,
    ATTUNE_SENSOR_TRIGGERS: JSON.stringify(await entries(sql, wanted)),
    ATTUNE_SENSOR_TRIGGER_TYPES: JSON.stringify(sensor.triggers),
  };
}
