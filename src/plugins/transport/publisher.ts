import { JetStreamApiError } from "@nats-io/jetstream";
import { AttuneError, toError } from "../../core/errors.ts";
import type { EventMessage } from "../../core/plugin.ts";
import type { Epoch, Link } from "./link.ts";
import { encodeEvent, isRef } from "./message.ts";

/** Enough to keep server and disk busy, and few enough that the timeout measures the server and not our own queue. */
const MAX_IN_FLIGHT = 256;
const ATTEMPTS = 3;
const ACK_TIMEOUT = 500;
/** Bytes left of the server's limit for subject and headers. */
const HEADER_ROOM = 512;

export interface Publisher {
  publish(event: EventMessage): Promise<void>;
  /** Takes no more, and resolves when what is under way has settled; that takes at most a few seconds. */
  close(): Promise<void>;
}

/**
 * Publishes with the event's id as message id, so a repeated attempt is stored once. Many calls at a time share the
 * connection. Rejects with `EVENT_INVALID` what the server would never take, and with a retryable `TRANSPORT_UNAVAILABLE`
 * otherwise: at once while the connection is down, after three attempts of 500 ms when the server is silent.
 *
 * Events are stored in the order of the calls, also over a lost connection, and rejections come in that order: a checkpoint
 * must not be stored before what it speaks of.
 */
export function createPublisher(link: Link, limits: { prefix: string; maxPayload(): number }): Publisher {
  const slots = createSlots(MAX_IN_FLIGHT);
  let closed = false;
  /** Whether the call before was taken, once it and all before it are settled. */
  let last: Promise<boolean> = Promise.resolve(true);
  /** Nothing sent over an earlier connection is unsettled. */
  let cleared: Epoch | undefined;

  async function publish(event: EventMessage): Promise<void> {
    if (!isRef(event.trigger))
      throw new AttuneError("EVENT_INVALID", `${JSON.stringify(event.trigger)} is not the ref of a trigger`);
    const body = encodeEvent(event);
    const room = limits.maxPayload() - HEADER_ROOM;
    if (body.length > room) {
      throw new AttuneError("EVENT_INVALID", `event of ${event.trigger} has ${body.length} bytes, NATS takes ${room}`, {
        hint: "make the payload smaller, or raise max_payload of nats-server",
      });
    }
    await slots.take();
    const ahead = last;
    const taken = Promise.withResolvers<boolean>();
    const own = ahead.then(() => taken.promise);
    last = own;
    try {
      await keepOrder(ahead);
      await send(`${limits.prefix}.${event.trigger}`, body, event.id);
      taken.resolve(true);
    } catch (thrown) {
      await ahead;
      taken.resolve(false);
      // Those that wait for it fail with it; the next to come is the first of a new order.
      if (last === own) last = Promise.resolve(true);
      throw thrown;
    } finally {
      slots.give();
    }
  }

  /** The server keeps the order of one connection; what a lost one carried is known only when it is settled. */
  async function keepOrder(ahead: Promise<boolean>): Promise<void> {
    if (link.down || link.epoch === cleared) return;
    if (!(await ahead)) throw unavailable("NATS did not take an earlier event");
    cleared = link.epoch;
  }

  async function send(subject: string, body: Uint8Array, id: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      if (closed || link.down) throw unavailable("the connection to NATS is down");
      const epoch = link.epoch ?? (await link.ready(AbortSignal.timeout(ACK_TIMEOUT)));
      if (!epoch) throw unavailable("the stream of events is not ready");
      try {
        await epoch.js.publish(subject, body, { msgID: id, timeout: ACK_TIMEOUT });
        return;
      } catch (thrown) {
        const { message } = toError(thrown);
        // The server answered and said no, for instance because its disk is full: asking again gives the same answer.
        if (thrown instanceof JetStreamApiError) throw unavailable(`NATS did not take the event: ${message}`, thrown);
        if (attempt === ATTEMPTS) {
          link.doubt(epoch, message);
          throw unavailable(`NATS did not confirm the event: ${message}`, thrown);
        }
        // Not a timeout: nobody stores this subject, so the stream may be gone.
        if (toError(thrown).name !== "TimeoutError") link.doubt(epoch, message);
      }
    }
  }

  return {
    publish,
    async close() {
      closed = true;
      await slots.idle();
    },
  };
}

function unavailable(message: string, cause?: unknown): AttuneError {
  return new AttuneError("TRANSPORT_UNAVAILABLE", message, { retryable: true, cause });
}

/** Lets `count` holders in at a time, first come first served. */
function createSlots(count: number) {
  const waiting: Array<() => void> = [];
  let free = count;
  let idle = Promise.withResolvers<void>();
  return {
    take(): Promise<void> | undefined {
      if (free > 0) {
        free--;
        return undefined;
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    give(): void {
      const next = waiting.shift();
      if (next) {
        next();
        return;
      }
      free++;
      if (free < count) return;
      idle.resolve();
      idle = Promise.withResolvers();
    },
    idle(): Promise<void> {
      return free === count ? Promise.resolve() : idle.promise;
    },
  };
}
