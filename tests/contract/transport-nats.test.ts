import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { StorageType } from "@nats-io/jetstream";
import { nats } from "../../src/plugins/transport/nats.ts";
import { connectDirectly, startNats, type TestNats } from "../support/nats.ts";
import { makeEvent, openTransport, publishUntilAccepted, recorder, recordingLogger } from "../support/transport.ts";
import { until } from "../support/until.ts";

const KILLED_SUBSCRIBER = join(import.meta.dir, "../fixtures/transport/hanging-subscriber.ts");

let server: TestNats;
let streams = 0;
const newStream = () => `TEST_${++streams}`;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server[Symbol.asyncDispose]());

const admin = () => connectDirectly(server.url);

describe("the stream", () => {
  test("is made with its consumer, and an event published twice is stored once, under its trigger", async () => {
    const stream = newStream();
    await using opened = await openTransport(nats({ url: server.url, stream }));
    const event = makeEvent({ trigger: "mail.received" });
    await opened.transport.publish(event);
    await opened.transport.publish(event);
    await using direct = await admin();
    const info = await direct.manager.streams.info(stream, { subjects_filter: ">" });
    expect(info.config).toMatchObject({ retention: "limits", storage: "file", discard: "new", max_age: 7 * 24 * 3600e9 });
    expect(info.state).toMatchObject({
      messages: 1,
      subjects: { [`${stream.toLowerCase().replace("_", ".")}.mail.received`]: 1 },
    });
    const consumer = await direct.manager.consumers.info(stream, "attune");
    expect(consumer.config).toMatchObject({
      durable_name: "attune",
      ack_policy: "explicit",
      deliver_policy: "all",
      max_deliver: -1,
    });
  });

  test("that differs is brought in line, and keeps what an operator added", async () => {
    const stream = newStream();
    await (await openTransport(nats({ url: server.url, stream })))[Symbol.asyncDispose]();
    await using direct = await admin();
    await direct.manager.streams.update(stream, { max_age: 3600e9, max_bytes: 1e9 });
    await direct.manager.consumers.update(stream, "attune", { max_ack_pending: 7 });
    await using _ = await openTransport(nats({ url: server.url, stream }));
    expect((await direct.manager.streams.info(stream)).config).toMatchObject({ max_age: 7 * 24 * 3600e9, max_bytes: 1e9 });
    expect((await direct.manager.consumers.info(stream, "attune")).config.max_ack_pending).toBe(1024);
  });

  test("that can't be brought in line is refused by name", async () => {
    await using direct = await admin();
    const stream = newStream();
    await direct.manager.streams.add({ name: stream, subjects: [`${stream}.other`], storage: StorageType.Memory });
    const refusal = await openTransport(nats({ url: server.url, stream })).catch((error) => error);
    expect(refusal).toMatchObject({ code: "TRANSPORT_UNSUPPORTED", retryable: false });
    expect(refusal.message).toContain(`stream ${stream} can't be used`);

    await direct.manager.streams.add({ name: "SOMEBODY", subjects: ["overlapping.>"] });
    const overlap = await openTransport(nats({ url: server.url, stream: "OVERLAPPING" })).catch((error) => error);
    expect(overlap).toMatchObject({ code: "TRANSPORT_UNSUPPORTED" });
    expect(overlap.message).toContain("overlap");
  });

  test("that is deleted while in use is made anew, and events flow again", async () => {
    const stream = newStream();
    const log = recordingLogger();
    await using opened = await openTransport(nats({ url: server.url, stream }), { log });
    const { handle, ids } = recorder();
    await using _ = await opened.transport.subscribe(handle);
    await using direct = await admin();
    await direct.manager.streams.delete(stream);
    const events = Array.from({ length: 100 }, () => makeEvent());
    await Promise.all(events.map((event) => publishUntilAccepted(opened.transport, event)));
    await until("all handled", () => ids().size === events.length);
    expect(log.lines.filter((line) => line.includes("made anew"))).toHaveLength(1);
  });
});

describe("messages", () => {
  test("that are no events are dropped with a log line, and never come again", async () => {
    const stream = newStream();
    const log = recordingLogger();
    await using opened = await openTransport(nats({ url: server.url, stream }), { log });
    await using direct = await admin();
    const subject = `${stream.toLowerCase().replace("_", ".")}.core.x`;
    const junk = [
      "{",
      "null",
      "[]",
      "\u0000",
      "[".repeat(100_000),
      JSON.stringify({ ...makeEvent(), id: "1" }),
      JSON.stringify({ id: 1 }),
    ];
    for (const body of [...junk, new Uint8Array([0xff, 0xfe])]) await direct.manager.jetstream().publish(subject, body);
    const { handle, handled } = recorder();
    await using _ = await opened.transport.subscribe(handle);
    const good = makeEvent();
    await opened.transport.publish(good);
    await until("the good one handled", () => handled.length === 1);
    await until("nothing left to deliver or ack", async () => {
      const { num_ack_pending, num_pending, num_redelivered } = await direct.manager.consumers.info(stream, "attune");
      return num_ack_pending + num_pending + num_redelivered === 0;
    });
    expect(handled).toEqual([good]);
    expect(log.lines.filter((line) => line.includes("dropped a message that is no event"))).toHaveLength(junk.length + 1);
  });

  test("that the server would not take are refused for good", async () => {
    await using opened = await openTransport(nats({ url: server.url, stream: newStream() }));
    const big = opened.transport.publish(makeEvent({ payload: { text: "x".repeat(1024 * 1024) } }));
    expect(await big.catch((error) => error)).toMatchObject({ code: "EVENT_INVALID", retryable: false });
    for (const trigger of ["core.>", "core.a b", "core", "core.a.b", "*.x", ""]) {
      expect(await opened.transport.publish(makeEvent({ trigger })).catch((error) => error.code)).toBe("EVENT_INVALID");
    }
  });

  test("wait longer and longer after failures of the handler", async () => {
    await using opened = await openTransport(nats({ url: server.url, stream: newStream() }));
    const times: number[] = [];
    await using _ = await opened.transport.subscribe(async () => {
      times.push(performance.now());
      if (times.length < 5) throw new Error("away");
    });
    await opened.transport.publish(makeEvent());
    await until("five attempts", () => times.length === 5);
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    for (const [i, least] of [100, 200, 400, 800].entries()) expect(gaps[i]).toBeGreaterThan(least * 0.9);
  });

  test("delivered but not begun go to the next subscriber at once", async () => {
    const stream = newStream();
    await using opened = await openTransport(nats({ url: server.url, stream }));
    await using direct = await admin();
    const events = Array.from({ length: 500 }, () => makeEvent());
    await Promise.all(events.map((event) => opened.transport.publish(event)));
    const gate = Promise.withResolvers<void>();
    const first = recorder();
    const subscription = await opened.transport.subscribe(async (batch) => {
      await gate.promise;
      await first.handle(batch);
    });
    const delivered = async () => {
      const { num_waiting, num_ack_pending } = await direct.manager.consumers.info(stream, "attune");
      return num_waiting === 0 ? num_ack_pending : Number.NaN;
    };
    await until("the subscriber has all it asked for, and asks for no more", async () => {
      const before = await delivered();
      // A round trip on its connection: what was under way to it has arrived, and so has what it asked for then.
      await opened.transport.publish(makeEvent());
      return before > 128 && before === (await delivered());
    });
    const unsubscribed = subscription[Symbol.asyncDispose]();
    gate.resolve();
    await unsubscribed;
    expect(first.handled.length).toBeLessThanOrEqual(64);
    const second = recorder();
    await using _ = await opened.transport.subscribe(second.handle);
    const ids = new Set(events.map(({ id }) => id));
    await until("the rest handled", () => ids.isSubsetOf(first.ids().union(second.ids())), { timeout: 3000 });
    expect(first.ids().intersection(second.ids()).size).toBe(0);
  });

  test.concurrent("of a subscriber that was killed come to the next one", async () => {
    const stream = newStream();
    await using opened = await openTransport(nats({ url: server.url, stream }));
    const events = [makeEvent(), makeEvent(), makeEvent()];
    await Promise.all(events.map((event) => opened.transport.publish(event)));
    const killed = Bun.spawn([process.execPath, KILLED_SUBSCRIBER, server.url, stream], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const chunk of killed.stdout) {
      if (new TextDecoder().decode(chunk).includes("handling")) break;
    }
    killed.kill("SIGKILL");
    await killed.exited;
    const { handle, ids } = recorder();
    await using _ = await opened.transport.subscribe(handle);
    await until("handled by the next", () => ids().size === events.length, { timeout: 20_000 });
  }, 25_000);

  test.concurrent("that take longer than the ack wait are not delivered again meanwhile", async () => {
    const stream = newStream();
    await using opened = await openTransport(nats({ url: server.url, stream }));
    await using direct = await admin();
    const { handle, handled } = recorder();
    await using _ = await opened.transport.subscribe(async (batch) => {
      if (handled.length === 0) await Bun.sleep(12_000);
      await handle(batch);
    });
    const events = [makeEvent(), makeEvent()];
    for (const event of events) await opened.transport.publish(event);
    await until(
      "both acked",
      async () => {
        return handled.length >= 2 && (await direct.manager.consumers.info(stream, "attune")).num_ack_pending === 0;
      },
      { timeout: 20_000 },
    );
    expect(handled).toEqual(events);
    expect((await direct.manager.consumers.info(stream, "attune")).delivered.consumer_seq).toBe(2);
  }, 25_000);
});

describe("opening", () => {
  test("without a server fails in one line, without the password, and may be tried again", async () => {
    const error = await openTransport(nats({ url: "nats://me:secret@127.0.0.1:1" })).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "TRANSPORT_UNAVAILABLE", retryable: true });
    expect(error.message).toContain("127.0.0.1:1");
    expect(error.message + error.hint).not.toContain("secret");
    expect(error.message).not.toContain("\n");
  });

  test("with credentials in the URL works, and with wrong ones says so", async () => {
    await using own = await startNats({ config: 'authorization { user: "me", password: "se cret/:@" }' });
    const url = `nats://me:${encodeURIComponent("se cret/:@")}@127.0.0.1:${own.port}`;
    await using opened = await openTransport(nats({ url }));
    expect(opened.transport.description).toMatch(/^NATS JetStream \d+\.\d+\.\d+\S* at 127\.0\.0\.1:\d+$/);
    const error = await openTransport(nats({ url: `nats://me:wrong@127.0.0.1:${own.port}` })).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "TRANSPORT_UNAVAILABLE", retryable: false });
    expect(error.message).toContain("refused the credentials");
  });

  test("on a server without JetStream, or one too old, is refused", async () => {
    await using own = await startNats({ jetstream: false });
    const without = await openTransport(nats({ url: own.url })).catch((thrown) => thrown);
    expect(without).toMatchObject({ code: "TRANSPORT_UNSUPPORTED", retryable: false });
    expect(without.hint).toContain("-js");

    const info = JSON.stringify({
      server_id: "x",
      version: "2.9.3",
      go: "",
      host: "x",
      port: 1,
      headers: true,
      max_payload: 1024,
      proto: 1,
    });
    const old = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => void socket.write(`INFO ${info}\r\n`),
        data: (socket, data) => void (data.includes("PING") && socket.write("PONG\r\n")),
      },
    });
    const refusal = await openTransport(nats({ url: `nats://127.0.0.1:${old.port}` })).catch((thrown) => thrown);
    old.stop(true);
    expect(refusal).toMatchObject({ code: "TRANSPORT_UNSUPPORTED", retryable: false });
    expect(refusal.message).toContain("2.9.3");
  });

  test("with options that can't work is refused before anything is opened", () => {
    expect(() => nats({ url: "http://127.0.0.1" })).toThrow("starts with http:");
    expect(() => nats({ url: "nats://" })).toThrow("not a URL");
    expect(() => nats({ stream: "a.b" })).toThrow("name of a stream");
    expect(nats({ url: "a,b:1", stream: "MY_EVENTS" })).toMatchObject({ kind: "transport", name: "nats", api: 1 });
  });
});
