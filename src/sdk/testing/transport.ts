import assert from "node:assert/strict";
import type { EventMessage, OpenContext, Transport } from "../../core/plugin.ts";
import { type Case, isAttuneError, makeCase, rejection, same, type Trial } from "./case.ts";
import { publishUntilAccepted, recorder, sampleEvent, watched } from "./events.ts";
import { temporaryDirectory, withOpened } from "./opened.ts";
import { durabilityCases } from "./transport-durability.ts";

export interface TransportOptions {
  /** The transport hands over in one batch what waits together, which the contract allows and does not demand. */
  readonly formsBatches?: boolean;
}

export type OpenTransport = (context: OpenContext) => Promise<Transport>;

/**
 * What every transport promises. Each case opens the transport with `open`, in a scope and data directory of its own, and
 * ends the scope; opened again with the same data directory, it is to hold what it had accepted. What it holds of earlier
 * cases does no harm. Never run it on a transport that a daemon uses: it takes events from it.
 */
export function transportContract(open: OpenTransport, options: TransportOptions = {}): readonly Case[] {
  /** A case on an open transport. */
  const opened = (name: string, member: string, hint: string, body: (transport: Transport, trial: Trial) => Promise<void>) =>
    makeCase({ name, member, hint }, (trial) => withOpened(trial, open, (transport) => body(watched(transport, trial), trial)));

  return [
    makeCase(
      {
        name: "it opens, and says in one line what it is",
        member: "open",
        hint: "open resolves with { description, publish, subscribe }; description is text for the operator, without secrets",
      },
      (trial) =>
        withOpened(trial, open, async (transport) => {
          assert(typeof transport === "object" && transport !== null, "open did not resolve with an object");
          for (const member of ["publish", "subscribe"] as const) {
            assert(typeof transport[member] === "function", `open resolved with no function ${member}`);
          }
          const { description } = transport;
          assert(
            typeof description === "string" && /^[^\n]{1,200}$/.test(description),
            "its description is not one line of text",
          );
        }),
    ),

    opened(
      "an accepted event is handled as it was published",
      "publish",
      "carry the event as JSON text and hand over all of its members, unchanged",
      async (transport, trial) => {
        const { handle, handled } = recorder();
        await using _ = await transport.subscribe(handle);
        const payload = JSON.parse(
          '{"text":"ü 漢 \\" \\\\ \\n","deep":[[{"a":[null,true,-0.5,1e21]}]],"empty":{},"__proto__":{"polluted":true}}',
        );
        const event = sampleEvent({ payload, rule: "core.only", sensor: null, checkpoint: { uid: 12 } });
        await transport.publish(event);
        await trial.until("the accepted event to be handled", () => handled.some(({ id }) => id === event.id));
        for (const copy of handled.filter(({ id }) => id === event.id)) assertSame(copy, event);
        assert(!("polluted" in {}), "a payload with the key __proto__ changed the prototype of all objects");
      },
    ),

    opened(
      "batches have at most 64 events, come one at a time and leave none out",
      "subscribe",
      "call the handler again only when the promise of the call before has settled; keep every event that publish accepted",
      async (transport, trial) => {
        let active = 0;
        let most = 0;
        let largest = 0;
        const { handle, ids } = recorder();
        await using _ = await transport.subscribe(async (batch) => {
          most = Math.max(most, ++active);
          largest = Math.max(largest, batch.length);
          // Gives others a chance to come in between.
          await new Promise(setImmediate);
          await handle(batch);
          active--;
        });
        const events = Array.from({ length: 1000 }, () => sampleEvent());
        await Promise.all(events.map((event) => transport.publish(event)));
        const missing = () => events.filter(({ id }) => !ids().has(id)).length;
        await trial.until("all of 1000 accepted events to be handled", () => {
          const left = missing();
          if (left > 0) throw new Error(`${left} are missing`);
          return true;
        });
        assert(most === 1, `the handler was called while ${most - 1} earlier batches were still in hand`);
        if (options.formsBatches) assert(largest > 1, "1000 events that waited together came one by one");
      },
    ),

    opened(
      "an accepted event is handled also when the handler failed first",
      "subscribe",
      "when the handler rejects, deliver the batch again later, or let publish reject: then the event was not accepted",
      async (transport, trial) => {
        let failures = 3;
        const { handle, ids } = recorder();
        await using _ = await transport.subscribe(async (batch) => {
          if (failures-- > 0) throw new Error("the database is away");
          await handle(batch);
        });
        const events = [sampleEvent(), sampleEvent()];
        await Promise.all(events.map((event) => publishUntilAccepted(trial, transport, event)));
        await trial.until("both accepted events to be handled", () => events.every(({ id }) => ids().has(id)));
      },
    ),

    opened(
      "a failing handler does not stop what comes after",
      "subscribe",
      "catch what the handler rejects with, and go on with the next batch before that one comes again",
      async (transport, trial) => {
        const bad = sampleEvent();
        const good = sampleEvent();
        const { handle, ids } = recorder();
        let healed = false;
        await using _ = await transport.subscribe(async (batch) => {
          if (!healed && batch.some(({ id }) => id === bad.id)) throw new Error("can't");
          await handle(batch);
        });
        // Refused or accepted: both are allowed for an event whose handler fails.
        await transport.publish(bad).catch(() => {});
        await publishUntilAccepted(trial, transport, good);
        await trial.until("an event behind one whose handling fails to be handled", () => ids().has(good.id));
        healed = true;
        await publishUntilAccepted(trial, transport, bad);
        await trial.until("the failed event to be handled in the end", () => ids().has(bad.id));
      },
    ),

    opened(
      "publishing an event again is harmless",
      "publish",
      "accept an id that is known already as if it were new",
      async (transport, trial) => {
        const { handle, handled } = recorder();
        await using _ = await transport.subscribe(handle);
        const event = sampleEvent();
        await transport.publish(event);
        await transport.publish(event);
        await Promise.all([transport.publish(event), transport.publish(event)]);
        await trial.until("the event to be handled", () => handled.some(({ id }) => id === event.id));
        for (const copy of handled.filter(({ id }) => id === event.id)) assertSame(copy, event);
      },
    ),

    opened(
      "there is one subscriber at a time",
      "subscribe",
      'let a second subscribe reject with new AttuneError("CONFLICT", ...), which attune exports',
      async (transport) => {
        const { handle } = recorder();
        await using _ = await transport.subscribe(handle);
        const error = await rejection(transport.subscribe(handle).then(() => "a second subscription"));
        assert(error.code === "CONFLICT", `a second subscribe rejected without the code CONFLICT: ${error.message}`);
      },
    ),

    opened(
      "unsubscribing waits for the batch in hand, and then nothing more is handled",
      "subscribe",
      "let the subscription's [Symbol.asyncDispose]() wait for the handler's promise and hand over nothing afterwards",
      async (transport, trial) => {
        const gate = Promise.withResolvers<void>();
        const begun = Promise.withResolvers<void>();
        const first = recorder();
        const subscription = await transport.subscribe(async (batch) => {
          begun.resolve();
          await gate.promise;
          await first.handle(batch);
        });
        const before = sampleEvent();
        const accepted = transport.publish(before);
        await trial.settled("the handler to be called", begun.promise);
        let unsubscribed = false;
        const unsubscribing = subscription[Symbol.asyncDispose]().then(() => {
          unsubscribed = true;
        });
        await new Promise(setImmediate);
        assert(!unsubscribed, "it ended although a batch was still in hand");
        gate.resolve();
        await unsubscribing;
        await accepted;
        same(
          "what was handled",
          first.handled.map(({ id }) => id),
          [before.id],
        );

        const after = sampleEvent();
        // Without a subscriber it may be refused, or kept for the next.
        await transport.publish(after).catch(() => {});
        const second = recorder();
        await using _ = await transport.subscribe(second.handle);
        await publishUntilAccepted(trial, transport, after);
        await trial.until("the event to be handled by the next subscriber", () => second.ids().has(after.id));
        assert(first.handled.length === 1, "the ended subscription was given more events");
      },
    ),

    ...durabilityCases(open),

    makeCase(
      {
        name: "an event that can't be taken now is refused at once, as retryable",
        member: "publish",
        hint: 'after its scope has ended, reject with new AttuneError("TRANSPORT_UNAVAILABLE", "...", { retryable: true })',
      },
      async (trial) => {
        await using directory = await temporaryDirectory();
        let ended: Transport | undefined;
        const use = async (transport: Transport) => {
          ended = watched(transport, trial);
          await ended.subscribe(recorder().handle);
        };
        await withOpened(trial, open, use, directory.path);
        const error = await rejection(Promise.resolve(ended?.publish(sampleEvent())));
        assert(isAttuneError(error), `publish rejected with something else than an AttuneError: ${error.message}`);
        same("the code of the rejection", error.code, "TRANSPORT_UNAVAILABLE");
        assert(error.retryable, "the rejection is not marked as retryable");
      },
    ),
  ];
}

/** Members and their order, too: what a publisher wrote is what the handler reads. */
function assertSame(copy: EventMessage, event: EventMessage): void {
  same("the handled event", JSON.stringify(copy), JSON.stringify(event));
}
