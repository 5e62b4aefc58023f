import assert from "node:assert/strict";
import type { EventMessage, Transport } from "../../core/plugin.ts";
import type { Trial } from "./case.ts";

const trigger = "contract.sample";

/** An event like those of a sensor, with an id of its own. */
export function sampleEvent(changes: Partial<EventMessage> = {}): EventMessage {
  return {
    id: crypto.randomUUID(),
    trigger,
    sensor: "contract.sensor",
    rule: null,
    at: new Date().toISOString(),
    payload: { n: 1 },
    ...changes,
  };
}

/** A handler that remembers what it handled. */
export function recorder() {
  const handled: EventMessage[] = [];
  return {
    handled,
    ids: () => new Set(handled.map(({ id }) => id)),
    handle: async (batch: readonly EventMessage[]) => {
      handled.push(...batch);
    },
  };
}

/**
 * The transport as a case uses it: nothing is waited for longer than the case may take, batches are looked at before the
 * case sees them, and events of somebody else are never taken from them: their batch is rejected, and the case fails.
 */
export function watched(transport: Transport, trial: Trial): Transport {
  return {
    description: transport.description,
    publish: (event) =>
      trial.settled(
        "publish to settle",
        Promise.try(() => transport.publish(event)),
      ),
    async subscribe(handle) {
      const subscription = await trial.settled(
        "subscribe to resolve",
        Promise.try(() =>
          transport.subscribe(async (batch) => {
            try {
              checkBatch(batch);
            } catch (thrown) {
              trial.fail(thrown as Error);
              throw thrown;
            }
            await handle(batch);
          }),
        ),
      );
      assert(typeof subscription?.[Symbol.asyncDispose] === "function", "subscribe did not resolve with an AsyncDisposable");
      return {
        [Symbol.asyncDispose]: () =>
          trial.settled(
            "the end of the subscription",
            Promise.try(() => subscription[Symbol.asyncDispose]()),
          ),
      };
    },
  };
}

function checkBatch(batch: readonly EventMessage[]): void {
  assert(Array.isArray(batch), "the handler was not given a list of events");
  assert(batch.length > 0, "the handler was given an empty batch");
  assert(batch.length <= 64, `the handler was given ${batch.length} events at once; 64 are the most`);
  for (const event of batch) {
    assert(typeof event?.id === "string", "the handler was given something that is no event");
    assert(
      event.trigger === trigger,
      `an event of trigger ${event.trigger} came that this check did not publish: is the transport in use by a daemon?`,
    );
  }
}

/** What the daemon does when a transport can't take an event now: it tries again. */
export async function publishUntilAccepted(trial: Trial, transport: Transport, event: EventMessage): Promise<void> {
  await trial.until(`publish of ${event.id} to resolve`, async () => {
    await transport.publish(event);
    return true;
  });
}
