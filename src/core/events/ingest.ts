import { AttuneError, describeError, nearest, toError } from "../errors.ts";
import { eventId, newId } from "../ids.ts";
import { createPace } from "../pace.ts";
import type { Awaitable, EventMessage, Logger, Sql, Transport } from "../plugin.ts";
import { allTriggers, findRule, findTrigger, type Registry, type Sensor } from "../registry.ts";
import { createLane } from "./lane.ts";
import { type RuleTarget, readSensorLine, type SensorEvent } from "./lines.ts";
import { reject } from "./rejected.ts";

export interface IngestOptions {
  readonly registry: () => Registry;
  readonly transport: Transport;
  /** Handles the event in this process: the way round a transport that is away. */
  readonly handle: (event: EventMessage) => Promise<void>;
  readonly filter: (event: EventMessage) => Awaitable<EventMessage | null>;
  readonly storage: Sql;
  readonly log: Logger;
}

export interface Ingest {
  /**
   * For one process of a sensor: takes its lines, one call each. Each resolves once what it said is safe, however long the
   * database or the transport are away: the caller reads no further meanwhile, which holds the sensor back. They are made
   * safe in their order. When `signal` is aborted what is not safe yet is dropped.
   */
  lines(sensor: Sensor, signal: AbortSignal): (line: string) => Promise<void>;
  /** Takes one event from outside. Rejects with EVENT_INVALID, NOT_FOUND or, when nothing can take it now, a retryable error. */
  event(event: SensorEvent, key: string | null): Promise<string>;
  /** The transport is away, so events are handled directly. */
  readonly bypassing: boolean;
}

/** Bytes of a payload. */
export const largestEvent = 512 * 1024;
/** Lines of one sensor that are no event: more of them hold the sensor up instead of filling log, disk and this process's time. */
const otherLines = { perSecond: 100, burst: 1_000 };

export function createIngest(options: IngestOptions): Ingest {
  const { log } = options;
  let bypassing = false;

  async function hand(event: EventMessage): Promise<void> {
    try {
      await options.transport.publish(event);
      if (bypassing) log.info("events go through the transport again");
      bypassing = false;
    } catch (thrown) {
      if (!(thrown instanceof AttuneError && thrown.code === "TRANSPORT_UNAVAILABLE")) throw thrown;
      if (!bypassing) log.warn("the transport is away; events are handled directly", { error: thrown.message });
      bypassing = true;
      await options.handle(event);
    }
  }

  function message(source: string, id: string, trigger: string, from: SensorEvent, sensor: string | null): EventMessage {
    const size = Buffer.byteLength(JSON.stringify(from.payload));
    if (size > largestEvent)
      throw new AttuneError("EVENT_INVALID", `the payload has ${size} bytes; at most ${largestEvent} are taken`);
    const rule = from.target ? requireRule(options.registry(), from.target, trigger, source) : null;
    const event: EventMessage = { id, trigger, sensor, rule, at: new Date().toISOString(), payload: from.payload };
    return from.checkpoint ? { ...event, checkpoint: from.checkpoint } : event;
  }

  return {
    get bypassing() {
      return bypassing;
    },
    lines(sensor, signal) {
      const instance = newId();
      const lane = createLane(sensor.ref, signal, log);
      const mayKeep = createPace(otherLines);
      let sequence = 0;
      return async (line) => {
        const number = sequence++;
        const read = readSensorLine(line);
        if (read.kind === "log") {
          if (await mayKeep(signal)) log.info(line.slice(0, 2_000), { sensor: sensor.ref });
          return;
        }
        try {
          if (read.kind === "rejected") throw new AttuneError("EVENT_INVALID", read.reason);
          const trigger = triggerOf(sensor, read.event.trigger);
          const id =
            read.event.key === null ? eventId(instance, trigger, String(number)) : eventId(sensor.ref, trigger, read.event.key);
          const event = message(sensor.ref, id, trigger, read.event, sensor.ref);
          await lane.pass(() => options.filter(event), hand);
        } catch (thrown) {
          const error = toError(thrown);
          // A filter that failed may have been the one that hides what must not be stored.
          const shown =
            error instanceof AttuneError && error.code === "PLUGIN_FAILED" ? "(not kept, since a plugin failed)" : line;
          const reason = describeError(error);
          if (!(await mayKeep(signal))) return;
          log.warn("a line of a sensor was refused", { sensor: sensor.ref, reason, line: shown.slice(0, 200) });
          await lane.pass(
            () => true,
            () => reject(options.storage, sensor.ref, shown, reason),
          );
        }
      };
    },

    async event(from, key) {
      const registry = options.registry();
      const name = from.trigger;
      if (name === null) throw new AttuneError("EVENT_INVALID", "the event names no trigger", { hint: "set trigger_ref" });
      const trigger = findTrigger(registry, name);
      if (!trigger) {
        const near = nearest(
          name,
          [...allTriggers(registry)].map((known) => known.ref),
        );
        throw new AttuneError("NOT_FOUND", `there is no trigger ${name}`, { hint: near ? `did you mean ${near}?` : undefined });
      }
      const own = key ?? from.key;
      const id = own === null ? newId() : eventId("api", trigger.ref, own);
      const filtered = await options.filter(message("api", id, trigger.ref, from, null));
      if (filtered !== null) await hand(filtered);
      return id;
    },
  };
}

/** A sensor emits events of its own triggers only. */
function triggerOf(sensor: Sensor, named: string | null): string {
  if (named === null) {
    const only = sensor.triggers.length === 1 ? sensor.triggers[0] : undefined;
    if (only) return only;
    throw new AttuneError(
      "EVENT_INVALID",
      `the line names no trigger_ref, and ${sensor.ref} has ${sensor.triggers.length} triggers`,
    );
  }
  if (sensor.triggers.includes(named)) return named;
  const near = nearest(named, sensor.triggers);
  throw new AttuneError("EVENT_INVALID", `${named} is not a trigger of ${sensor.ref}`, {
    hint: near ? `did you mean ${near}?` : undefined,
  });
}

function requireRule(registry: Registry, target: RuleTarget, trigger: string, source: string): string {
  const rule = findRule(registry, target);
  if (rule?.definition.trigger === trigger) return rule.definition.ref;
  throw new AttuneError(
    "EVENT_INVALID",
    `the event of ${source} is for rule ${JSON.stringify(target)}, which is not a rule on ${trigger}`,
  );
}
