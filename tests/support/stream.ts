import { jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

export interface StreamState {
  /** Messages that were ever stored. */
  readonly stored: number;
  /** Messages that no daemon has acknowledged. */
  readonly pending: number;
}

/** What the server at `url` says about attune's stream; zeros before it exists. */
export async function streamState(url: string): Promise<StreamState> {
  const connection = await connect({ servers: url, reconnect: false });
  try {
    const manager = await jetstreamManager(connection);
    const streams: StreamInfo[] = await manager.streams.list().next();
    const stream = streams.find(({ config }) => config.name === "ATTUNE_EVENTS");
    if (!stream) return { stored: 0, pending: 0 };
    const consumer = await manager.consumers.info("ATTUNE_EVENTS", "attune");
    return { stored: stream.state.last_seq, pending: consumer.num_pending + consumer.num_ack_pending };
  } finally {
    await connection.close();
  }
}
