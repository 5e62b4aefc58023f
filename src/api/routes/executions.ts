import { type Context, Hono } from "hono";
import { AttuneError } from "../../core/errors.ts";
import { readJsonObject } from "../body.ts";
import type { ExecutionRecord } from "../history.ts";
import { found, notFound, optionalObject, pathId, queryText, queryUuid, queryWord, requiredText } from "../request.ts";
import { executionStatuses, type Services } from "../services.ts";
import { type Send, type StreamOptions, serverSentEvents, untilAborted } from "../sse.ts";

const streams = ["stdout", "stderr"] as const;

export function executionRoutes(services: Services, streamOptions: StreamOptions): Hono {
  const { history } = services;
  const requireExecution = async (context: Context): Promise<ExecutionRecord> => {
    const id = pathId(context, "execution");
    const execution = await history.execution(id);
    if (!execution) throw notFound("execution", id, []);
    return execution;
  };
  return new Hono()
    .get("/executions", (context) => {
      const filter = {
        action_ref: queryText(context, "action_ref", "action"),
        rule_ref: queryText(context, "rule_ref", "rule"),
        event_id: queryUuid(context, "event_id") ?? queryUuid(context, "event"),
        status: queryWord(context, "status", executionStatuses),
      };
      return found(context, (page) => history.executions(filter, page));
    })
    .post("/executions/execute", async (context) => {
      const body = await readJsonObject(context.req.raw);
      const action = requiredText(body, "action_ref");
      const idempotencyKey = idempotencyHeader(context);
      const { id } = await services.run({
        action,
        parameters: optionalObject(body, "parameters"),
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      });
      return context.json({ data: (await history.execution(id)) ?? { id, action_ref: action } }, 201);
    })
    .get("/executions/:id", async (context) => context.json({ data: await requireExecution(context) }))
    .get("/executions/:id/logs/:stream", async (context) => {
      const { id } = await requireExecution(context);
      const stream = streams.find((name) => name === context.req.param("stream"));
      if (!stream) throw notFound("stream", context.req.param("stream"), streams);
      const stored = await history.output(id, stream);
      context.header("Content-Type", "text/plain; charset=utf-8");
      context.header("X-Total-Bytes", String(stored?.totalBytes ?? 0));
      return context.body(stored ? Uint8Array.from(stored.content) : "");
    })
    .get("/executions/:id/stream", async (context) => {
      const { id } = await requireExecution(context);
      return serverSentEvents(context, streamOptions, (send, signal) => follow(services, id, send, signal));
    });
}

/** `output` events with `{stream, text}` while it runs, then one `finished` event with the execution. */
async function follow(services: Services, id: string, send: Send, signal: AbortSignal): Promise<void> {
  await services.started(id, signal);
  const live = services.output(id);
  if (live) for await (const chunk of untilAborted(live, signal)) await send("output", chunk);
  await services.finished(id, signal);
  if (!live) await sendStored(services, id, send);
  await send("finished", await services.history.execution(id));
}

/** It ended before anyone could listen. */
async function sendStored(services: Services, id: string, send: Send): Promise<void> {
  for (const stream of streams) {
    const stored = await services.history.output(id, stream);
    if (stored && stored.content.length > 0) await send("output", { stream, text: new TextDecoder().decode(stored.content) });
  }
}

function idempotencyHeader(context: Context): string | undefined {
  const key = context.req.header("Idempotency-Key");
  if (key !== undefined && (key === "" || key.length > 255)) {
    throw new AttuneError("USAGE", "Idempotency-Key must have 1 to 255 characters");
  }
  return key;
}
