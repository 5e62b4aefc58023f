import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { AttuneError } from "../../core/errors.ts";

const DAY = 24 * 60 * 60 * 1000;

/** Milliseconds the server waits for an ack, or a sign of progress, before it delivers a message again. */
export const ACK_WAIT = 10_000;

/** Shared by all daemons on the stream: room for several, and for what a killed one took with it until {@link ACK_WAIT} passed. */
const MAX_ACK_PENDING = 1024;

const CONSUMER = "attune";

/** The stream and durable consumer as they are now. `identity` changes when either was deleted and made anew. */
export interface StreamState {
  readonly identity: string;
  readonly consumer: ConsumerInfo;
}

/** `ATTUNE_EVENTS` stores `attune.events.<pack>.<trigger>`. */
export function subjectPrefix(stream: string): string {
  return stream.toLowerCase().replaceAll("_", ".");
}

/**
 * Creates the stream and its consumer, or updates them where they differ from what attune needs; what an operator set
 * beside that (replicas, placement, size limits) stays. Rejects with `TRANSPORT_UNSUPPORTED` when the server says no.
 * `missing` is awaited once, before the first thing that isn't there is made.
 */
export async function ensureStream(
  manager: JetStreamManager,
  stream: string,
  missing: () => Promise<void> = async () => {},
): Promise<StreamState> {
  let waited: Promise<void> | undefined;
  const once = () => {
    waited ??= missing();
    return waited;
  };
  const info = await ensureStreamItself(manager, stream, once);
  const consumer = await ensureConsumer(manager, stream, once);
  return { identity: `${info.created} ${consumer.created}`, consumer };
}

async function ensureStreamItself(manager: JetStreamManager, name: string, missing: () => Promise<void>): Promise<StreamInfo> {
  const wanted = {
    subjects: [`${subjectPrefix(name)}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    // "old" would drop accepted events without a word; this way the publisher hears of a full stream.
    discard: DiscardPolicy.New,
    max_age: nanos(7 * DAY),
    duplicate_window: nanos(2 * 60_000),
  } satisfies Partial<StreamConfig>;
  const found = await unlessMissing(JetStreamApiCodes.StreamNotFound, manager.streams.info(name));
  if (found && isCovered(wanted, found.config)) return found;
  if (!found) await missing();
  const change = found ? manager.streams.update(name, wanted) : manager.streams.add({ name, ...wanted });
  return change.catch((thrown) => {
    throw refused(`stream ${name}`, thrown);
  });
}

async function ensureConsumer(manager: JetStreamManager, stream: string, missing: () => Promise<void>): Promise<ConsumerInfo> {
  const wanted = {
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACK_WAIT),
    // A limit would strand good messages after a long outage of the database.
    max_deliver: -1,
    max_ack_pending: MAX_ACK_PENDING,
  } satisfies Partial<ConsumerConfig>;
  const found = await unlessMissing(JetStreamApiCodes.ConsumerNotFound, manager.consumers.info(stream, CONSUMER));
  if (found && isCovered(wanted, found.config) && !found.config.deliver_subject) return found;
  if (!found) await missing();
  const change = found
    ? manager.consumers.update(stream, CONSUMER, wanted)
    : manager.consumers.add(stream, { durable_name: CONSUMER, ...wanted });
  const made = await change.catch((thrown) => {
    throw refused(`consumer ${CONSUMER} of stream ${stream}`, thrown);
  });
  if (made.config.deliver_subject) throw unusable(`consumer ${CONSUMER} of stream ${stream}`, "it is a push consumer");
  return made;
}

async function unlessMissing<T>(code: number, request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (thrown) {
    if (thrown instanceof JetStreamApiError && thrown.code === code) return undefined;
    throw thrown;
  }
}

function isCovered(wanted: object, found: object): boolean {
  const actual = new Map<string, unknown>(Object.entries(found));
  return Object.entries(wanted).every(([key, value]) => Bun.deepEquals(actual.get(key), value));
}

/** A refusal by the server waits for an operator; a timeout, a lost connection or a busy server (503) may pass. */
function refused(what: string, thrown: unknown): unknown {
  return thrown instanceof JetStreamApiError && thrown.status !== 503 ? unusable(what, thrown.message, thrown) : thrown;
}

function unusable(what: string, reason: string, cause?: unknown): AttuneError {
  return new AttuneError("TRANSPORT_UNSUPPORTED", `NATS ${what} can't be used: ${reason}`, {
    hint: "remove what is there, or choose another name with the `stream` option of nats()",
    cause,
  });
}
