import type { OutputChunk } from "../../api/services.ts";
import type { OutputBuffer } from "../executions/output.ts";

/** Chunks kept for a reader that is slower than the script. */
const backlog = 1_000;

/** Both streams as they come, until the execution is over. */
export async function* followOutput(
  streams: { readonly stdout: OutputBuffer; readonly stderr: OutputBuffer },
  over: Promise<void>,
): AsyncGenerator<OutputChunk> {
  const queue: OutputChunk[] = [];
  let arrived = Promise.withResolvers<void>();
  let ended = false;
  const listen = (stream: "stdout" | "stderr") => {
    const decoder = new TextDecoder();
    return streams[stream].follow((chunk) => {
      if (queue.length >= backlog)
        queue.splice(0, backlog / 2, { stream, text: "\n[attune: left out here; the log has more]\n" });
      queue.push({ stream, text: decoder.decode(chunk, { stream: true }) });
      arrived.resolve();
    });
  };
  const stops = [listen("stdout"), listen("stderr")];
  void over.then(() => {
    ended = true;
    arrived.resolve();
  });
  try {
    for (;;) {
      for (let chunk = queue.shift(); chunk; chunk = queue.shift()) yield chunk;
      if (ended) return;
      await arrived.promise;
      arrived = Promise.withResolvers<void>();
    }
  } finally {
    for (const stop of stops) stop();
  }
}
