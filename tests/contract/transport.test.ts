import { afterAll, beforeAll, describe } from "bun:test";
import type { OpenContext } from "../../src/core/plugin.ts";
import { local } from "../../src/plugins/transport/local.ts";
import { nats } from "../../src/plugins/transport/nats.ts";
import { transportContract } from "../../src/sdk/testing/transport.ts";
import { testCases } from "../support/contract.ts";
import { startNats, type TestNats } from "../support/nats.ts";

let server: TestNats;
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Its events lie in the server, so what is opened in the same data directory again has to find the same stream. */
const streamOf = ({ dataDir }: OpenContext) => `SUITE_${Bun.hash(dataDir).toString(36).toUpperCase()}`;

describe("the contract: local", () => {
  testCases(transportContract((context) => local().open(context), { formsBatches: true }));
});
describe("the contract: nats", () => {
  const open = (context: OpenContext) => nats({ url: server.url, stream: streamOf(context) }).open(context);
  testCases(transportContract(open, { formsBatches: true }));
});
describe("the contract: nats, managed", () => {
  testCases(transportContract((context) => nats({ managed: true }).open(context), { formsBatches: true }));
});
