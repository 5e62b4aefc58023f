import { variableName, withLaunchEnvironment } from "../environment.ts";
import type { Standing } from "../environments/slot.ts";
import { AttuneError, toError } from "../errors.ts";
import { createPace } from "../pace.ts";
import { relocated } from "../packs/versions/versions.ts";
import type { Awaitable, JsonObject, Launch, LaunchTarget, Sql } from "../plugin.ts";
import type { Child, ChildSpec } from "../processes/child.ts";
import { createLineSplitter } from "../processes/lines.ts";
import type { Wanted } from "../processes/supervisor.ts";
import { allSensors, isActive, type LoadedPack, type Registry, type Rule, type Sensor, snapshotOf } from "../registry.ts";
import { type Usable, usable } from "../runtimes/runtimes.ts";

/** A sensor that some active rule needs. */
export interface WantedSensor extends Wanted {
  readonly sensor: Sensor;
  readonly rules: readonly Rule[];
  readonly usable: Usable;
  /** Directory of the environment it runs in; null when it needs none, or has none yet. */
  readonly environment: string | null;
}

/** What a sensor depends on besides the registry. */
export interface SensorSurroundings {
  /** Changes with the configuration of the pack. */
  readonly configuration: (pack: LoadedPack) => string;
  readonly environment: (sensor: Sensor) => Standing;
}

/** The sensors that should run: enabled ones with at least one active rule on one of their triggers. Pure. */
export function wantedSensors(registry: Registry, surroundings: SensorSurroundings): WantedSensor[] {
  const wanted: WantedSensor[] = [];
  for (const sensor of allSensors(registry)) {
    const pack = registry.packs.get(sensor.pack);
    if (!pack || !sensor.enabled || !pack.manifest.enabled) continue;
    const rules = sensor.triggers.flatMap((trigger) => registry.rulesByTrigger.get(trigger) ?? []).filter(isActive);
    if (rules.length === 0) continue;
    const revision = Bun.hash(rules.map(keyOf).join("\n")).toString(36);
    const found = usable(registry, sensor);
    // Another version of its runtime may start it differently.
    const runtime = found.available ? found.runtime.revision : "";
    const standing = surroundings.environment(sensor);
    const environment = standing.status === "ready" ? standing.dir : null;
    const identity = `${sensor.hash} ${runtime} ${surroundings.configuration(pack)} ${environment ?? ""}`;
    wanted.push({
      ref: sensor.ref,
      sensor: relocated(sensor, snapshotOf(pack, sensor.ref)?.dir),
      rules,
      usable: found,
      environment,
      identity: sensor.control === "stdin" ? identity : `${identity} ${revision}`,
      revision: sensor.control === "stdin" ? revision : null,
      unavailable: found.available ? lacking(standing) : found.reason,
    });
  }
  return wanted;
}

function lacking(environment: Standing): string | null {
  if (environment.status === "ready") return null;
  return environment.status === "making" ? "its environment is being made" : environment.reason;
}

/** What a sensor is told of a rule, as text; rules live long and are asked for at each reload. */
function keyOf(rule: Rule): string {
  const known = keys.get(rule) ?? JSON.stringify(entryOf(rule, null));
  keys.set(rule, known);
  return known;
}
const keys = new WeakMap<Rule, string>();

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
  const { rows } = await sql.query<{ rule_id: number; state: JsonObject }>(
    "SELECT rule_id, state FROM checkpoint WHERE rule_id = ANY($1::bigint[])",
    [wanted.rules.map((rule) => rule.id)],
  );
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
  readonly filterLaunch: (launch: Launch, target: LaunchTarget) => Awaitable<Launch>;
  readonly environment: (pack: string) => Readonly<Record<string, string>>;
  /** Gives what takes one line of output after the other; each resolves when what it said is safe. */
  readonly lines: (sensor: Sensor, signal: AbortSignal) => (line: string) => Promise<void>;
  readonly tooLong: (sensor: Sensor) => void;
}

/** Longest line of a sensor's output, in bytes. */
const longestLine = 1024 * 1024;
/** Lines of one sensor that may be on their way at once; at the limit it is not read any further. */
const inFlightLimit = 256;
/** Bytes of both streams: beyond them a sensor waits, so that one that floods leaves this process time for the others. */
const outputPace = { perSecond: 16 * 1024 * 1024, burst: 32 * 1024 * 1024 };
const logPace = { perSecond: 1_000, burst: 10_000 };

/** Starts the process of a sensor and reads it. Its `exited` resolves after the last line was taken. */
export async function startSensor(context: SensorStart, wanted: WantedSensor, log: (line: string) => void): Promise<Child> {
  const { sensor } = wanted;
  if (!wanted.usable.available) throw new AttuneError("RUNTIME_UNAVAILABLE", wanted.usable.reason);
  const { runtime, interpreter } = wanted.usable;
  const target: LaunchTarget = {
    kind: "sensor",
    ref: sensor.ref,
    entrypoint: sensor.entrypoint,
    inline: false,
    pack: { ref: sensor.pack, dir: sensor.dir },
    interpreter,
    environment: wanted.environment,
  };
  const launch = await context.filterLaunch(await runtime.launch(target), target);

  const controller = new AbortController();
  const take = context.lines(sensor, controller.signal);
  const inFlight = new Set<Promise<void>>();
  let freed = Promise.withResolvers<void>();
  const stdout = createLineSplitter(
    longestLine,
    async (line) => {
      if (line.trim() === "") return;
      const taken: Promise<void> = take(line)
        .catch((thrown) => log(`(a line could not be taken: ${toError(thrown).message})`))
        .finally(() => {
          inFlight.delete(taken);
          freed.resolve();
        });
      inFlight.add(taken);
      if (inFlight.size < inFlightLimit) return;
      // Not a race of all of them: that would leave one more reaction on each with every line.
      freed = Promise.withResolvers();
      await freed.promise;
    },
    () => context.tooLong(sensor),
  );
  const mayRead = createPace(outputPace);
  const mayLog = createPace(logPace);
  const stderr = createLineSplitter(
    64 * 1024,
    async (line) => {
      if (await mayLog(controller.signal)) log(line);
    },
    () => log("(a line too long to be kept)"),
  );
  const paced = (push: (chunk: Uint8Array) => Promise<void>) => async (chunk: Uint8Array) => {
    await mayRead(controller.signal, chunk.byteLength);
    await push(chunk);
  };

  const child = context.start({
    argv: launch.argv,
    packDir: sensor.dir,
    environment: wanted.environment,
    cwd: launch.cwd ?? sensor.dir,
    env: {
      ...withLaunchEnvironment(context.environment(sensor.pack), launch.env),
      ...(await environmentOf(context.sql, wanted)),
    },
    stdin: sensor.control === "stdin" ? "open" : launch.stdin === undefined ? "none" : { text: launch.stdin },
    onStdout: paced(stdout.push),
    onStderr: paced(stderr.push),
    component: { kind: "sensor", ref: sensor.ref, execution: null },
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
      // What it wrote may wait for a database that is away; whoever stops it waits no longer than for the process itself.
      const timer = setTimeout(() => controller.abort(), grace);
      try {
        await child.stop(grace);
        return await exited;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Bytes; Linux takes 128 KiB with the name. */
const longestVariable = 120 * 1024;

function triggersVariable({ sensor, rules }: WantedSensor, text: string): string {
  if (Buffer.byteLength(text) <= longestVariable) return text;
  // The whole list comes as the first line on stdin.
  if (sensor.control === "stdin") return "[]";
  throw new AttuneError(
    "RUNTIME_UNAVAILABLE",
    `the ${rules.length} rules of ${sensor.ref} don't fit into ATTUNE_SENSOR_TRIGGERS`,
    {
      hint: "write control: stdin in its YAML and read the rules from there",
    },
  );
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
    ATTUNE_SENSOR_TRIGGERS: triggersVariable(wanted, JSON.stringify(await entries(sql, wanted))),
    ATTUNE_SENSOR_TRIGGER_TYPES: JSON.stringify(sensor.triggers),
  };
}
