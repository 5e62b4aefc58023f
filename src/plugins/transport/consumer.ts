import type { ConsumerMessages, ConsumerNotification, JsMsg } from "@nats-io/jetstream";
import { createBatcher } from "../../core/batches.ts";
import { toError } from "../../core/errors.ts";
import type { EventMessage, Logger } from "../../core/plugin.ts";
import type { Epoch, Link } from "./link.ts";
import { decodeEvent } from "./message.ts";
import { ACK_WAIT } from "./stream.ts";

const MAX_BATCH = 64;
/** Messages decoded and not yet settled: a batch being handled and one waiting. */
const MAX_HELD = 2 * MAX_BATCH;
/** Messages asked of the server ahead of need. */
const PREFETCH = 2 * MAX_BATCH;
const LONGEST_PAUSE = 5000;
/**
 * Milliseconds before the server delivers again what an ending subscriber gives back. At once, it would hand some of it to
 * the subscriber's last request, which nobody listens to any more, and then wait for {@link ACK_WAIT} (seen with 2.9.10).
 */
const GIVE_BACK_DELAY = 200;

/** What tells that the consumer may be gone, or that the server forgot what it was asked. */
const TROUBLE: ReadonlySet<ConsumerNotification["type"]> = new Set([
  "consumer_deleted",
  "consumer_not_found",
  "stream_not_found",
  "no_responders",
  "heartbeats_missed",
]);

interface Delivery {
  readonly event: EventMessage;
  readonly message: JsMsg;
  /** The stream it came from: in one made anew, its ack would be for another message. */
  readonly identity: string;
}

/**
 * Pulls from the durable consumer and hands batches of at most 64 to `handle`, one at a time, fetching the next meanwhile.
 * Acks when `handle` resolved. When it rejects, the batch is given back for later and the next one waits too, 100 ms first
 * and twice as long each time, up to 5 s. Messages that are no events are terminated with a log line.
 *
 * Disposing stops pulling, waits for the batch being handled and gives back the rest; what the server was sending at that
 * moment comes again after {@link ACK_WAIT}.
 */
export function consume(link: Link, handle: (batch: readonly EventMessage[]) => Promise<void>, log: Logger): AsyncDisposable {
  const stop = new AbortController();
  const held = new Set<Delivery>();
  let failures = 0;
  let roomMade: (() => void) | undefined;
  let lastDelivery: Promise<void> = Promise.resolve();

  const deliver = createBatcher<Delivery>({
    max: MAX_BATCH,
    async run(batch) {
      if (stop.signal.aborted) settle(batch, (message) => message.nak(GIVE_BACK_DELAY));
      else await handleBatch(batch);
      roomMade?.();
    },
  });

  async function handleBatch(batch: Delivery[]): Promise<void> {
    try {
      await handle(batch.map(({ event }) => event));
      failures = 0;
      settle(batch, (message) => message.ack());
    } catch (thrown) {
      const pause = Math.min(LONGEST_PAUSE, 100 * 2 ** failures++);
      log.warn("a batch of events was not handled, it comes again", {
        events: batch.length,
        pause,
        error: toError(thrown).message,
      });
      settle(batch, (message) => message.nak(pause));
      await sleep(pause, stop.signal);
    }
  }

  function settle(batch: readonly Delivery[], answer: (message: JsMsg) => void): void {
    for (const delivery of batch) {
      held.delete(delivery);
      respond(delivery, answer);
    }
  }

  function respond({ identity, message }: Omit<Delivery, "event">, answer: (message: JsMsg) => void): void {
    if (link.epoch?.identity !== identity) return;
    try {
      answer(message);
    } catch (thrown) {
      // The connection went away under us; without an answer the server delivers again, which is harmless.
      log.debug("could not answer the server", { error: toError(thrown).message });
    }
  }

  function accept(message: JsMsg, { identity }: Epoch): Delivery | undefined {
    try {
      return { event: decodeEvent(message.data), message, identity };
    } catch (thrown) {
      log.error("dropped a message that is no event", {
        subject: message.subject,
        sequence: message.seq,
        error: toError(thrown).message,
      });
      respond({ identity, message }, () => message.term());
      return undefined;
    }
  }

  async function pull(epoch: Epoch): Promise<void> {
    const consumer = epoch.js.consumers.getConsumerFromInfo(epoch.consumer);
    const messages = await consumer.consume({ max_messages: PREFETCH, expires: 10_000, bind: true });
    // What was already delivered is still read; then the loop below ends.
    const end = () => messages.stop();
    const either = AbortSignal.any([epoch.signal, stop.signal]);
    either.addEventListener("abort", end, { once: true });
    if (either.aborted) end();
    void watch(messages, epoch).catch((thrown) => link.doubt(epoch, toError(thrown).message));
    for await (const message of messages) {
      const delivery = accept(message, epoch);
      if (!delivery) continue;
      held.add(delivery);
      lastDelivery = deliver(delivery);
      if (held.size >= MAX_HELD) {
        await new Promise<void>((resolve) => {
          roomMade = resolve;
        });
      }
    }
  }

  async function watch(messages: ConsumerMessages, epoch: Epoch): Promise<void> {
    for await (const { type } of messages.status()) {
      if (TROUBLE.has(type)) link.doubt(epoch, type);
    }
  }

  async function pullWhileThereIsALink(): Promise<void> {
    for (let epoch = await link.ready(stop.signal); epoch; epoch = await link.ready(stop.signal)) {
      let reason = "pulling ended";
      try {
        await pull(epoch);
      } catch (thrown) {
        reason = toError(thrown).message;
      }
      if (epoch.signal.aborted || stop.signal.aborted) continue;
      log.warn("could not pull events, trying again", { error: reason });
      link.doubt(epoch, reason);
      await sleep(1000, stop.signal);
    }
  }

  // Waiting messages are as good as being handled: without this the server would deliver them again after ACK_WAIT.
  const progress = setInterval(() => {
    for (const delivery of held) respond(delivery, (message) => message.working());
  }, ACK_WAIT / 3);
  const pulling = pullWhileThereIsALink();

  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await pulling;
      await lastDelivery;
      clearInterval(progress);
    },
  };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
