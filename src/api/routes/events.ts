import { Hono } from "hono";
import { AttuneError } from "../../core/errors.ts";
import type { Json, JsonObject } from "../../core/plugin.ts";
import type { Registry } from "../../core/registry.ts";
import { readJsonObject } from "../body.ts";
import {
  found,
  notFound,
  optionalObject,
  optionalText,
  own,
  pathId,
  queryText,
  queryUuid,
  queryWord,
  requiredText,
} from "../request.ts";
import { enforcementStatuses, type Services } from "../services.ts";

export function eventRoutes(services: Services): Hono {
  const { history } = services;
  return new Hono()
    .get("/events", (context) => {
      const trigger_ref = queryText(context, "trigger_ref", "trigger");
      const sensor_ref = queryText(context, "sensor_ref", "sensor");
      return found(context, (page) => history.events({ trigger_ref, sensor_ref }, page));
    })
    .post("/events", async (context) => {
      const body = await readJsonObject(context.req.raw);
      const event = await services.emit(readEvent(body, services.registry()));
      return context.json({ data: event }, 201);
    })
    .get("/events/:id", async (context) => {
      const id = pathId(context, "event");
      const event = await history.event(id);
      if (!event) throw notFound("event", id, []);
      return context.json({ data: event });
    })
    .get("/enforcements", (context) => {
      const rule_ref = queryText(context, "rule_ref", "rule");
      const event_id = queryUuid(context, "event_id") ?? queryUuid(context, "event");
      const status = queryWord(context, "status", enforcementStatuses);
      return found(context, (page) => history.enforcements({ rule_ref, event_id, status }, page));
    })
    .get("/enforcements/:id", async (context) => {
      const id = pathId(context, "enforcement");
      const enforcement = await history.enforcement(id);
      if (!enforcement) throw notFound("enforcement", id, []);
      return context.json({ data: enforcement });
    });
}

/** The event a client sent, in the words of every generation of clients. */
function readEvent(body: JsonObject, registry: Registry): Parameters<Services["emit"]>[0] {
  const key = optionalText(body, "event_id", 512);
  const rule = optionalText(body, "rule_ref") ?? targetRule(own(body, "trigger_instance_id"), registry);
  return {
    trigger: requiredText(body, "trigger_ref", "trigger_type"),
    payload: optionalObject(body, "payload"),
    ...(key !== null && { key }),
    ...(rule !== null && { rule }),
  };
}

/**
 * `rule_<id>`, `rule_<ref>` or the bare id. One that names no rule is refused: taken as "all rules" it would fire what it
 * was not meant for.
 */
function targetRule(instance: Json | undefined, registry: Registry): string | null {
  if (instance === undefined || instance === null) return null;
  const name = String(instance).replace(/^rule_/, "");
  const rule = registry.rules.get(name) ?? [...registry.rules.values()].find((candidate) => String(candidate.id) === name);
  if (!rule) throw new AttuneError("NOT_FOUND", `trigger_instance_id names no rule: ${String(instance).slice(0, 200)}`);
  return rule.definition.ref;
}
