import { afterAll, beforeAll } from "bun:test";
import { local } from "../../src/plugins/transport/local.ts";
import { nats } from "../../src/plugins/transport/nats.ts";
import { startNats, type TestNats } from "../support/nats.ts";
import { describeTransport, openTransport } from "./transport-suite.ts";

let server: TestNats;
let streams = 0;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server[Symbol.asyncDispose]());

describeTransport("local", () => openTransport(local()));
describeTransport("nats", () => openTransport(nats({ url: server.url, stream: `SUITE_${++streams}` })));
describeTransport("nats, managed", () => openTransport(nats({ managed: true })));
