import { createBatcher } from "../../core/batches.ts";
import { AttuneError } from "../../core/errors.ts";
import type { EventMessage, TransportPlugin } from "../../core/plugin.ts";

const MAX_BATCH = 64;

type Handle = (batch: readonly EventMessage[]) => Promise<void>;

/**
 * The transport inside the daemon: accepting an event *is* handling it. `publish` settles as the handler did with the
 * batch the event was in, so an event that was accepted is never only in memory.
 *
 * While nobody is subscribed, `publish` rejects with a retryable `TRANSPORT_UNAVAILABLE`.
 */
export function local(): TransportPlugin {
  return {
    kind: "transport",
    name: "local",
    api: 1,
    async open({ scope }) {
      let handle: Handle | undefined;
      let running: Promise<void> = Promise.resolve();

      const publish = createBatcher<EventMessage>({
        max: MAX_BATCH,
        async run(batch) {
          if (!handle) {
            throw new AttuneError("TRANSPORT_UNAVAILABLE", "nobody handles events: the daemon is starting or stopping", {
              retryable: true,
            });
          }
          const handled = handle(batch);
          running = handled.catch(() => {
            // Whoever published the batch hears of it; here only the end matters.
          });
          await handled;
        },
      });

      return {
        description: "in-process",
        publish,
        async subscribe(subscriber) {
          if (handle) throw new AttuneError("CONFLICT", "the in-process transport already has a subscriber");
          handle = subscriber;
          const unsubscribe = async () => {
            if (handle === subscriber) handle = undefined;
            await running;
          };
          const forget = scope.defer(unsubscribe);
          return {
            async [Symbol.asyncDispose]() {
              forget();
              await unsubscribe();
            },
          };
        },
      };
    },
  };
}
