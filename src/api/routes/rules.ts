import { type Context, Hono } from "hono";
import { AttuneError, nearest } from "../../core/errors.ts";
import type { GivenEvent } from "../../core/events/explain.ts";
import type { JsonObject } from "../../core/plugin.ts";
import type { Rule } from "../../core/registry.ts";
import { readJsonObject } from "../body.ts";
import {
  listed,
  notFound,
  optionalFlag,
  optionalObject,
  optionalText,
  own,
  pathRef,
  queryFlag,
  queryText,
  requiredText,
} from "../request.ts";
import type { NewRule, Services } from "../services.ts";
import { ruleView } from "../views.ts";

export function ruleRoutes(services: Services): Hono {
  const view = (ref: string) => ({ data: ruleView(services.registry(), requireRule(services, ref)) });
  const setEnabled = (enabled: boolean) => async (context: Context) => {
    const { ref } = requireRule(services, pathRef(context)).definition;
    await services.rules.setEnabled(ref, enabled);
    return context.json(view(ref));
  };
  return new Hono()
    .get("/rules", (context) => {
      const registry = services.registry();
      const trigger = queryText(context, "trigger_ref", "trigger");
      const action = queryText(context, "action_ref", "action");
      const pack = queryText(context, "pack_ref", "pack");
      const enabled = queryFlag(context, "enabled");
      const rules = [...registry.rules.values()]
        .filter((rule) => trigger === undefined || rule.definition.trigger === trigger)
        .filter((rule) => action === undefined || rule.definition.action === action)
        .filter((rule) => pack === undefined || rule.definition.pack === pack)
        .filter((rule) => enabled === undefined || rule.enabled === enabled)
        .sort((a, b) => a.definition.ref.localeCompare(b.definition.ref));
      return listed(
        context,
        rules.map((rule) => ruleView(registry, rule)),
      );
    })
    .post("/rules", async (context) => {
      const rule = readRule(await readJsonObject(context.req.raw));
      await services.rules.create(rule);
      return context.json(view(rule.ref), 201);
    })
    .get("/rules/:ref", (context) => context.json(view(pathRef(context))))
    .post("/rules/:ref/test", async (context) => {
      const rule = requireRule(services, pathRef(context));
      const event = readEvent(await readJsonObject(context.req.raw));
      return context.json({ data: services.rules.explain(rule.definition.ref, event) });
    })
    .post("/rules/:ref/enable", setEnabled(true))
    .post("/rules/:ref/disable", setEnabled(false))
    .delete("/rules/:ref", async (context) => {
      const { ref } = requireRule(services, pathRef(context)).definition;
      await services.rules.delete(ref);
      return context.json({ data: { ref } });
    });
}

function requireRule(services: Services, ref: string): Rule {
  const { rules } = services.registry();
  const rule = rules.get(ref);
  if (!rule) throw notFound("rule", ref, rules.keys());
  return rule;
}

/** `event`, as the API shows events; all of it but the payload may be left out. */
function readEvent(body: JsonObject): GivenEvent {
  const event = optionalObject(body, "event");
  const [id, trigger, created] = ["id", "trigger_ref", "created"].map((name) => optionalText(event, name));
  return {
    payload: optionalObject(event, "payload"),
    ...(typeof id === "string" && { id }),
    ...(typeof trigger === "string" && { trigger }),
    ...(typeof created === "string" && { created }),
  };
}

const ruleKeys = [
  "ref",
  "label",
  "description",
  "trigger_ref",
  "action_ref",
  "when",
  "conditions",
  "trigger_params",
  "action_params",
  "enabled",
];
/** Sent by clients of the contract; they say nothing about whether or how the rule fires. */
const ignoredKeys = ["pack_ref", "permission_set_ref", "permission_set_refs", "trace_tag_template", "tags"];

/** A misspelt `when` that is ignored is a rule that always fires, so unknown keys are refused. */
function readRule(body: JsonObject): NewRule {
  const unknown = Object.keys(body).find((key) => !ruleKeys.includes(key) && !ignoredKeys.includes(key));
  if (unknown !== undefined) {
    const near = nearest(unknown.slice(0, 100), ruleKeys);
    throw new AttuneError("BODY_INVALID", `a rule has no ${unknown.slice(0, 100)}`, {
      hint: near ? `did you mean ${near}?` : `its keys are ${ruleKeys.join(", ")}`,
    });
  }
  const ref = requiredText(body, "ref");
  if (ref.length > 128 || !/^[a-z][a-z0-9_-]*\.[A-Za-z0-9_-]+$/.test(ref)) {
    throw new AttuneError("BODY_INVALID", "ref must have the form pack.name", { hint: "such as ops.restart_on_alert" });
  }
  return {
    ref,
    label: optionalText(body, "label"),
    description: optionalText(body, "description", 16_384),
    trigger: requiredText(body, "trigger_ref"),
    action: requiredText(body, "action_ref"),
    when: optionalText(body, "when", 16_384),
    conditions: own(body, "conditions") ?? null,
    trigger_params: optionalObject(body, "trigger_params"),
    action_params: optionalObject(body, "action_params"),
    enabled: optionalFlag(body, "enabled", true),
  };
}
