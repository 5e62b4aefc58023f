import { AttuneError } from "../../core/errors.ts";
import type { OpenContext, Transport, TransportPlugin } from "../../core/plugin.ts";
import { connectTo, type Endpoint, openJetStream, parseEndpoint } from "./connection.ts";
import { consume } from "./consumer.ts";
import { createLink } from "./link.ts";
import { startManagedNats } from "./managed.ts";
import { createPublisher } from "./publisher.ts";
import { ensureStream, subjectPrefix } from "./stream.ts";

const DEFAULT_URL = "nats://127.0.0.1:4222";
const DEFAULT_STREAM = "ATTUNE_EVENTS";
const STREAM_NAME = /^[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*$/;

interface StreamOption {
  /**
   * Name of the stream, default `ATTUNE_EVENTS`. Its subjects are the name in lower case with dots for underscores, so two
   * projects can share a server under two names.
   */
  readonly stream?: string;
}
export interface ExternalNats extends StreamOption {
  readonly managed?: false;
  /** `nats://user:password@host:4222`, `tls://...`, several of one cluster as a list or with commas. Default: this machine, port 4222. */
  readonly url?: string | readonly string[];
  /** Path of a `.creds` file with a user's JWT and key. */
  readonly creds?: string;
}
export interface ManagedNats extends StreamOption {
  /** Run the `nats-server` found on PATH as a child, on the loopback address, with its store in the data directory. */
  readonly managed: true;
}
export type NatsOptions = ExternalNats | ManagedNats;

/**
 * Events through NATS JetStream, 2.9.4 or newer. `open` rejects when no server answers (`TRANSPORT_UNAVAILABLE`, retryable)
 * or the server can't serve (`TRANSPORT_UNSUPPORTED`); once open it reconnects for ever.
 */
export function nats(options: NatsOptions = {}): TransportPlugin {
  const stream = options.stream ?? DEFAULT_STREAM;
  if (!STREAM_NAME.test(stream)) {
    throw new AttuneError("CONFIG_INVALID", `${JSON.stringify(stream)} can't be the name of a stream`, {
      hint: "use letters, digits, dashes, and single underscores between them",
    });
  }
  const external = options.managed ? undefined : parseEndpoint(options.url ?? DEFAULT_URL, options.creds);
  return {
    kind: "transport",
    name: "nats",
    api: 1,
    async open(context) {
      if (external) return openTransport(external, stream, context);
      const transport = await openTransport(await startManagedNats(context), stream, context);
      return { ...transport, description: `${transport.description} (managed)` };
    },
  };
}

async function openTransport(endpoint: Endpoint, stream: string, { scope, log }: OpenContext): Promise<Transport> {
  const nc = await connectTo(endpoint);
  const closeConnection = scope.defer(() => nc.close());
  const { manager, version } = await openJetStream(nc, log);
  const link = createLink(nc, manager, stream, await ensureStream(manager, stream), log);
  closeConnection();
  scope.defer(() => link.close());

  const publisher = createPublisher(link, {
    prefix: subjectPrefix(stream),
    maxPayload: () => nc.info?.max_payload ?? 1024 * 1024,
  });
  scope.defer(() => publisher.close());

  let subscription: AsyncDisposable | undefined;
  return {
    description: `NATS JetStream ${version} at ${nc.getServer()}`,
    publish: publisher.publish,
    async subscribe(handle) {
      if (subscription) throw new AttuneError("CONFLICT", "the NATS transport already has a subscriber");
      const mine = consume(link, handle, log);
      subscription = mine;
      const unsubscribe = async () => {
        await mine[Symbol.asyncDispose]();
        if (subscription === mine) subscription = undefined;
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
}
