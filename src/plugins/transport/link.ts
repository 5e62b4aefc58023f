import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { toError } from "../../core/errors.ts";
import type { Logger } from "../../core/plugin.ts";
import { ensureStream, type StreamState } from "./stream.ts";

/**
 * Milliseconds before something deleted is made anew. The server goes on removing files after it said "deleted": a stream of
 * the same name made within a few milliseconds loses its files or never delivers (seen with 2.9.10).
 */
const AFTER_DELETION = 500;

/** A time during which the connection stood and the stream was known to be there. */
export interface Epoch extends StreamState {
  readonly js: JetStreamClient;
  /** Aborted when the connection is lost or the stream is in doubt. */
  readonly signal: AbortSignal;
}

/**
 * The connection with its stream. It is `up` (an epoch is there), `checking` (connected, the stream is being looked at or
 * made) or `down`. Every change is logged once.
 */
export interface Link {
  readonly epoch: Epoch | undefined;
  readonly down: boolean;
  /** The epoch, now or when there is one again; undefined when `signal` aborts first. */
  ready(signal: AbortSignal): Promise<Epoch | undefined>;
  /** Something that needs the stream failed: look whether it is still there, and make it anew if not. */
  doubt(epoch: Epoch, reason: string): void;
  close(): Promise<void>;
}

export function createLink(nc: NatsConnection, manager: JetStreamManager, stream: string, first: StreamState, log: Logger): Link {
  const js = manager.jetstream();
  let current = begin(first);
  let down = false;
  let closed = false;
  /** Counts changes of state, so that a check which began before the last one can tell. */
  let change = 0;
  const waiting = new Set<() => void>();

  function begin(state: StreamState): { epoch: Epoch; end: AbortController } {
    const end = new AbortController();
    return { epoch: { ...state, js, signal: end.signal }, end };
  }

  function leave(): number {
    current.end.abort();
    return ++change;
  }

  function enter(state: StreamState): void {
    if (state.identity !== current.epoch.identity) log.warn("the stream of events was gone and has been made anew", { stream });
    current = begin(state);
    for (const wake of waiting) wake();
  }

  async function check(): Promise<void> {
    const mine = leave();
    let told: string | undefined;
    for (let wait = 100; ; wait = Math.min(2000, wait * 2)) {
      try {
        const state = await ensureStream(manager, stream, () => Bun.sleep(AFTER_DELETION));
        if (mine === change) enter(state);
        return;
      } catch (thrown) {
        if (mine !== change) return;
        const { message } = toError(thrown);
        if (message !== told) log.warn("the stream of events is not usable yet, trying again", { stream, error: message });
        told = message;
      }
      await Bun.sleep(wait);
      if (mine !== change) return;
    }
  }

  async function follow(): Promise<void> {
    for await (const status of nc.status()) {
      // A failed attempt to reconnect reports another disconnect, and all of them the same reconnect in the end.
      if (status.type === "disconnect" && !down && !closed) {
        down = true;
        leave();
        log.warn("lost the connection to NATS, reconnecting", { server: status.server });
      } else if (status.type === "reconnect" && down && !closed) {
        down = false;
        log.info("connected to NATS again", { server: nc.getServer() });
        void check();
      } else if (status.type === "error") {
        log.warn("NATS reported an error", { error: status.error.message });
      }
    }
  }

  function upOrUndefined(): Epoch | undefined {
    return current.epoch.signal.aborted ? undefined : current.epoch;
  }

  void follow().catch((thrown) => log.error("stopped following the connection to NATS", { error: toError(thrown).message }));
  void nc.closed().then((reason) => {
    if (closed) return;
    down = true;
    leave();
    log.error("the connection to NATS was closed for good, restart the daemon", { error: reason?.message });
  });

  return {
    get epoch() {
      return upOrUndefined();
    },
    get down() {
      return down || closed;
    },
    async ready(signal) {
      while (!signal.aborted) {
        const epoch = upOrUndefined();
        if (epoch) return epoch;
        await new Promise<void>((resolve) => {
          const wake = () => {
            waiting.delete(wake);
            signal.removeEventListener("abort", wake);
            resolve();
          };
          waiting.add(wake);
          signal.addEventListener("abort", wake, { once: true });
        });
      }
      return undefined;
    },
    doubt(epoch, reason) {
      if (epoch !== upOrUndefined()) return;
      log.debug("checking the stream of events", { stream, reason });
      void check();
    },
    async close() {
      const connected = !down;
      closed = true;
      leave();
      // Sends what is still in the buffer, such as acks. A server that hangs must not hold up the end.
      if (connected) await Promise.race([nc.drain().catch(() => {}), Bun.sleep(2000)]);
      await nc.close();
    },
  };
}
