import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AttuneError } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { EventMessage, Logger, Transport, TransportPlugin } from "../../src/core/plugin.ts";
import { createScope } from "../../src/core/scope.ts";
import { until } from "../support/until.ts";

export interface Opened extends AsyncDisposable {
  readonly transport: Transport;
  readonly dataDir: string;
}

/** Opens a transport as the daemon does. Disposing ends its scope and, unless `dataDir` was given, removes its directory. */
export async function openTransport(plugin: TransportPlugin, given: { log?: Logger; dataDir?: string } = {}): Promise<Opened> {
  const { log = silentLogger } = given;
  const dataDir = given.dataDir ?? (await mkdtemp(join(tmpdir(), "attune-transport-")));
  const scope = createScope(plugin.name, log);
  const dispose = async () => {
    await scope.end();
    if (given.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const transport = await plugin.open({ scope, log, dataDir, projectDir: dataDir });
    return { transport, dataDir, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

export function makeEvent(changes: Partial<EventMessage> = {}): EventMessage {
  return {
    id: crypto.randomUUID(),
    trigger: "core.intervaltimer",
    sensor: "core.interval_timer_sensor",
    rule: null,
    at: new Date().toISOString(),
    payload: { n: 1 },
    ...changes,
  };
}

/** What a publisher does with a transport that can't take an event now. */
export async function publishUntilAccepted(transport: Transport, event: EventMessage): Promise<void> {
  await until(`${event.id} accepted`, async () => {
    await transport.publish(event);
    return true;
  });
}

/** A logger that keeps what was logged at info and above. */
export function recordingLogger(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const note = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { lines, debug: () => {}, info: note, warn: note, error: note, child: () => logger };
  return logger;
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

/** What every transport promises. `open` gives a transport that holds no events of another test. */
export function describeTransport(name: string, open: () => Promise<Opened>): void {
  describe(name, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened[Symbol.asyncDispose]());

    test("an accepted event is handled as it was published", async () => {
      const { handle, handled } = recorder();
      await using _ = await opened.transport.subscribe(handle);
      const payload = JSON.parse(
        '{"text":"ü 漢 \\" \\\\ \\n","deep":[[{"a":[null,true,-0.5,1e21]}]],"empty":{},"__proto__":{"polluted":true}}',
      );
      const event = makeEvent({ payload, rule: "core.only", sensor: null, checkpoint: { uid: 12 } });
      await opened.transport.publish(event);
      await until("handled", () => handled.length > 0);
      expect(JSON.stringify(handled)).toBe(JSON.stringify([event]));
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });

    test("batches have at most 64 events, come one at a time and leave none out", async () => {
      let active = 0;
      let most = 0;
      const sizes: number[] = [];
      const { handle, ids } = recorder();
      await using _ = await opened.transport.subscribe(async (batch) => {
        most = Math.max(most, ++active);
        sizes.push(batch.length);
        // Gives others a chance to come in between.
        await new Promise(setImmediate);
        await handle(batch);
        active--;
      });
      const events = Array.from({ length: 1000 }, () => makeEvent());
      await Promise.all(events.map((event) => opened.transport.publish(event)));
      await until("all handled", () => ids().size === events.length);
      expect(most).toBe(1);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(64);
      expect(Math.max(...sizes)).toBeGreaterThan(1);
    });

    test("an accepted event is handled also when the handler failed first", async () => {
      let failures = 3;
      const { handle, ids } = recorder();
      await using _ = await opened.transport.subscribe(async (batch) => {
        if (failures-- > 0) throw new Error("the database is away");
        await handle(batch);
      });
      const events = [makeEvent(), makeEvent()];
      await Promise.all(events.map((event) => publishUntilAccepted(opened.transport, event)));
      await until("both handled", () => ids().size === 2);
    });

    test("a failing handler does not stop what comes after", async () => {
      const bad = makeEvent();
      const good = makeEvent();
      const { handle, ids } = recorder();
      let healed = false;
      await using _ = await opened.transport.subscribe(async (batch) => {
        if (!healed && batch.some(({ id }) => id === bad.id)) throw new Error("can't");
        await handle(batch);
      });
      await opened.transport.publish(bad).catch(() => {});
      await publishUntilAccepted(opened.transport, good);
      await until("the good one handled", () => ids().has(good.id));
      healed = true;
      await publishUntilAccepted(opened.transport, bad);
      await until("the bad one handled in the end", () => ids().has(bad.id));
    });

    test("publishing an event again is harmless", async () => {
      const { handle, handled } = recorder();
      await using _ = await opened.transport.subscribe(handle);
      const event = makeEvent();
      await opened.transport.publish(event);
      await opened.transport.publish(event);
      await Promise.all([opened.transport.publish(event), opened.transport.publish(event)]);
      await until("handled", () => handled.length > 0);
      expect(handled).toContainEqual(event);
    });

    test("there is one subscriber at a time", async () => {
      const { handle } = recorder();
      await using _ = await opened.transport.subscribe(handle);
      expect(await opened.transport.subscribe(handle).catch((error) => error.code)).toBe("CONFLICT");
    });

    test("unsubscribing waits for the batch in hand, and then nothing more is handled", async () => {
      const gate = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const first = recorder();
      const subscription = await opened.transport.subscribe(async (batch) => {
        begun.resolve();
        await gate.promise;
        await first.handle(batch);
      });
      const before = makeEvent();
      const accepted = opened.transport.publish(before);
      await begun.promise;
      let unsubscribed = false;
      const unsubscribing = subscription[Symbol.asyncDispose]().then(() => {
        unsubscribed = true;
      });
      await new Promise(setImmediate);
      expect(unsubscribed).toBe(false);
      gate.resolve();
      await unsubscribing;
      await accepted;
      expect(first.handled).toEqual([before]);

      const after = makeEvent();
      await opened.transport.publish(after).catch(() => {});
      const second = recorder();
      await using _ = await opened.transport.subscribe(second.handle);
      await publishUntilAccepted(opened.transport, after);
      await until("handled by the next subscriber", () => second.ids().has(after.id));
      expect(first.handled).toEqual([before]);
    });

    test("an event that can't be taken now is refused at once, as retryable", async () => {
      const closed = await open();
      await closed.transport.subscribe(recorder().handle);
      await closed[Symbol.asyncDispose]();
      const error = await closed.transport.publish(makeEvent()).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(AttuneError);
      expect(error).toMatchObject({ code: "TRANSPORT_UNAVAILABLE", retryable: true });
    });
  });
}
