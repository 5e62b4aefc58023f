import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { toError } from "../core/errors.ts";
import type { Logger } from "../core/plugin.ts";

export type Send = (event: string, data: unknown) => Promise<void>;

/** Tells proxies and clients that the stream lives; also how a client that vanished without a word is noticed. */
const heartbeatMs = 10_000;

export interface StreamOptions {
  readonly log: Logger;
  /** Aborted when the daemon stops, so that open streams don't hold it up. */
  readonly stopping: AbortSignal;
}

/**
 * Answers with server-sent events: what `run` sends, each with its name and JSON data. `signal` is aborted when the client
 * leaves or the daemon stops. A failure after the headers are out becomes an `error` event.
 */
export function serverSentEvents(
  context: Context,
  options: StreamOptions,
  run: (send: Send, signal: AbortSignal) => Promise<void>,
): Response {
  return streamSSE(context, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const signal = AbortSignal.any([gone.signal, options.stopping]);
    const beat = () => stream.write(": alive\n\n");
    // Headers go out with the first byte, and the client waits for them.
    await beat();
    const heartbeat = setInterval(() => void beat(), heartbeatMs);
    try {
      await run(async (event, data) => stream.writeSSE({ event, data: JSON.stringify(data) }), signal);
    } catch (thrown) {
      if (signal.aborted) return;
      options.log.error("stream failed", { path: context.req.path, error: toError(thrown).message });
      await stream.writeSSE({ event: "error", data: JSON.stringify({ error: "the stream failed", code: "INTERNAL" }) });
    } finally {
      clearInterval(heartbeat);
    }
  });
}

/** The items until the signal is aborted, also when the source is silent at that moment. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const { promise: aborted, resolve } = Promise.withResolvers<{ done: true; value: undefined }>();
  const onAbort = () => resolve({ done: true, value: undefined });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (signal.aborted) return;
    for (
      let next = await Promise.race([iterator.next(), aborted]);
      !next.done;
      next = await Promise.race([iterator.next(), aborted])
    ) {
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Not awaited: a source that is waiting for its next item only returns after that item.
    void iterator.return?.()?.catch(() => {});
  }
}
