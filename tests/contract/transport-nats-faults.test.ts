import { describe, expect, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nats } from "../../src/plugins/transport/nats.ts";
import { connectDirectly, startNats } from "../support/nats.ts";
import { makeEvent, openTransport, publishUntilAccepted, recorder, recordingLogger } from "../support/transport.ts";
import { until } from "../support/until.ts";

describe("a server that goes away", () => {
  test("is reported at once to who publishes, and once in the log", async () => {
    await using own = await startNats();
    const log = recordingLogger();
    await using opened = await openTransport(nats({ url: own.url }), { log });
    await own.kill9();
    await until("the loss noticed", () => log.lines.some((line) => line.includes("lost the connection")));
    const refused = opened.transport.publish(makeEvent()).catch((thrown) => thrown);
    const error = await Promise.race([refused, sleep(0, "it waits")]);
    expect(error).toMatchObject({ code: "TRANSPORT_UNAVAILABLE", retryable: true });
    await own.restart();
    await publishUntilAccepted(opened.transport, makeEvent());
    expect(log.lines.filter((line) => line.includes("lost the connection"))).toHaveLength(1);
    expect(log.lines.filter((line) => line.includes("connected to NATS again"))).toHaveLength(1);
  });

  test("by kill -9, three times under load, loses no accepted event", async () => {
    await using own = await startNats();
    await using opened = await openTransport(nats({ url: own.url }));
    const accepted = new Set<string>();
    const { handle, ids } = recorder();
    await using _ = await opened.transport.subscribe(handle);
    let publishing = true;
    const publishers = Array.from({ length: 8 }, async () => {
      while (publishing) {
        const event = makeEvent();
        await publishUntilAccepted(opened.transport, event);
        accepted.add(event.id);
      }
    });
    for (let kill = 0; kill < 3; kill++) {
      const before = accepted.size;
      await until("events flow", () => accepted.size > before + 500);
      await own.kill9();
      await own.restart();
    }
    const before = accepted.size;
    await until("events flow again", () => accepted.size > before + 500);
    publishing = false;
    await Promise.all(publishers);
    await until("all accepted events handled", () => accepted.isSubsetOf(ids()), { timeout: 20_000 });
  }, 40_000);

  test("and comes back with an empty store is set up anew; what was in hand acks nothing there", async () => {
    await using own = await startNats();
    await using opened = await openTransport(nats({ url: own.url }));
    const before = makeEvent();
    const after = makeEvent();
    const begun = new Map([before, after].map(({ id }) => [id, Promise.withResolvers<void>()]));
    const gates = new Map([before, after].map(({ id }) => [id, Promise.withResolvers<void>()]));
    const { handle, ids } = recorder();
    await using _ = await opened.transport.subscribe(async (batch) => {
      for (const { id } of batch) {
        begun.get(id)?.resolve();
        await gates.get(id)?.promise;
      }
      await handle(batch);
    });
    await opened.transport.publish(before);
    await begun.get(before.id)?.promise;
    await own.restart({ wipe: true });
    await publishUntilAccepted(opened.transport, after);
    gates.get(before.id)?.resolve();
    await begun.get(after.id)?.promise;
    // On the same connection, hence behind whatever was answered for the old one.
    await opened.transport.publish(makeEvent());
    await using direct = await connectDirectly(own.url);
    // Both had sequence 1 in their stream: an ack of the old one would have counted for the new one.
    expect((await direct.manager.consumers.info("ATTUNE_EVENTS", "attune")).ack_floor.stream_seq).toBe(0);
    gates.get(after.id)?.resolve();
    await until("both handled", () => ids().has(before.id) && ids().has(after.id));
  });
});
