import type { Awaitable, JsonObject } from "../core/plugin.ts";
import { messageOf } from "./json.ts";
import { readLines } from "./lines.ts";
import { logLine, writeLines } from "./output.ts";
import { parseControlLine, parseRules, type SensorRule } from "./sensor-rules.ts";

/** How long a stopping sensor waits for a blocked stdout to take what was already emitted. */
const flushGraceMs = 2_000;

export interface SensorEvent {
  /** Ref of the trigger, `pack.name`; one of the sensor's `trigger_types`. */
  readonly trigger: string;
  readonly payload: JsonObject;
  /** The only rule the event is for. Without it the event reaches every rule of the trigger. */
  readonly rule?: SensorRule;
  /** The source's own key of the occurrence: a second event with the same id is dropped. */
  readonly id?: string;
  /** Stored in the transaction that stores the event, and handed back with `rule` after a restart. Needs `rule`. */
  readonly checkpoint?: JsonObject;
}

export interface SensorApi {
  /** Ref of the sensor; null when it was started by hand. */
  readonly ref: string | null;
  readonly pack: string | null;
  /** Default: `http://localhost:8080`. */
  readonly apiUrl: string;
  readonly apiToken: string | null;
  /** Aborted when the sensor is told to stop. */
  readonly signal: AbortSignal;
  /**
   * Hands events to the daemon, several in one write. Resolves when they are on their way: await it, so that a daemon
   * that can't take more slows the sensor instead of filling its memory.
   */
  emit(events: SensorEvent | readonly SensorEvent[]): Promise<void>;
  /** A line in the sensor's log. */
  log(message: string): void;
}

export interface SensorHandlers {
  /**
   * The rules the sensor works for: called at start, and with each change when the sensor's YAML says `control: stdin`.
   * The list is always the whole one, also when it is the same as before.
   */
  rules?(rules: readonly SensorRule[]): Awaitable<void>;
  /** The sensor's own loop, after the first `rules`. Returning does not stop the sensor. */
  run?(signal: AbortSignal): Awaitable<void>;
  /** Last call before the process ends; releases what the sensor holds. */
  stop?(): Awaitable<void>;
}

/**
 * Runs a sensor until SIGTERM, SIGINT or, with `control: stdin`, the end of stdin; then exits 0. A handler that throws
 * ends the process with 1, and the daemon starts it again.
 */
export async function runSensor(create: (sensor: SensorApi) => Awaitable<SensorHandlers>): Promise<never> {
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<void>();
  stopping.signal.addEventListener("abort", () => stopped.resolve());
  const stop = () => stopping.abort();
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  const output = createOutput(stop);
  const handlers = await crashOnError(create(createApi(output.emit, stopping.signal)));
  const work = async () => {
    await handlers.rules?.(parseRules(process.env["ATTUNE_SENSOR_TRIGGERS"], logLine));
    const controlled = await hasControlChannel();
    await Promise.all([handlers.run?.(stopping.signal), controlled && followRules(handlers, stopping.signal).then(stop)]);
  };
  // What a handler throws because it is being stopped is no failure.
  work().catch((error) => stopping.signal.aborted || crash(error));

  await stopped.promise;
  await crashOnError(handlers.stop?.());
  await Promise.race([output.flushed(), Bun.sleep(flushGraceMs)]);
  process.exit(0);
}

/** One line of the protocol for an event. */
function eventLine(event: SensorEvent): string {
  return `${JSON.stringify({
    trigger_ref: event.trigger,
    trigger_instance_id: event.rule ? `rule_${event.rule.id}` : undefined,
    event_id: event.id,
    payload: event.payload,
    checkpoint: event.checkpoint,
  })}\n`;
}

function createApi(emit: SensorApi["emit"], signal: AbortSignal): SensorApi {
  const env = process.env;
  return {
    ref: env["ATTUNE_SENSOR_REF"] ?? null,
    pack: env["ATTUNE_PACK_REF"] ?? null,
    apiUrl: env["ATTUNE_API_URL"] ?? "http://localhost:8080",
    apiToken: env["ATTUNE_API_TOKEN"] ?? null,
    signal,
    emit,
    log: logLine,
  };
}

/** A reader that has gone can't be told anything more: the sensor stops instead of failing. */
function createOutput(onClosed: () => void): { emit: SensorApi["emit"]; flushed(): Promise<void> } {
  let pending: Promise<void> = Promise.resolve();
  const emit = (events: SensorEvent | readonly SensorEvent[]) => {
    const list: readonly SensorEvent[] = "trigger" in events ? [events] : events;
    pending = writeLines(list.map(eventLine).join("")).catch(onClosed);
    return pending;
  };
  return { emit, flushed: () => pending };
}

async function followRules(handlers: SensorHandlers, signal: AbortSignal): Promise<void> {
  for await (const line of readLines(Bun.stdin.stream())) {
    if (signal.aborted) return;
    if (line.trim() === "") continue;
    const rules = parseControlLine(line, logLine);
    if (rules) await handlers.rules?.(rules);
  }
}

/** A sensor without `control: stdin` has `/dev/null` there, and its end means nothing. */
async function hasControlChannel(): Promise<boolean> {
  // Imported here because it takes 2 ms, which every action would pay as well.
  const { fstatSync } = await import("node:fs");
  try {
    return !fstatSync(0).isCharacterDevice();
  } catch {
    return false; // stdin is closed
  }
}

async function crashOnError<T>(work: Awaitable<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    return crash(error);
  }
}

function crash(error: unknown): never {
  logLine(error instanceof Error && error.stack ? error.stack : messageOf(error));
  process.exit(1);
}
