import { Hono } from "hono";
import { type Action, allActions, allTriggers, findTrigger, requireAction, type Trigger } from "../../core/registry.ts";
import { listed, notFound, pathRef, queryText } from "../request.ts";
import type { Services } from "../services.ts";
import { actionView, triggerView } from "../views.ts";

/** Actions and triggers: read from the registry, changed only by their files. */
export function componentRoutes(services: Services): Hono {
  return new Hono()
    .get("/actions", (context) => {
      const pack = queryText(context, "pack_ref", "pack");
      return listed(context, ofPack<Action>(allActions(services.registry()), pack).map(actionView));
    })
    .get("/actions/:ref", (context) => context.json({ data: actionView(requireAction(services.registry(), pathRef(context))) }))
    .get("/triggers", (context) => {
      const pack = queryText(context, "pack_ref", "pack");
      return listed(context, ofPack<Trigger>(allTriggers(services.registry()), pack).map(triggerView));
    })
    .get("/triggers/:ref", (context) => {
      const registry = services.registry();
      const trigger = findTrigger(registry, pathRef(context));
      if (!trigger)
        throw notFound(
          "trigger",
          pathRef(context),
          [...allTriggers(registry)].map((known) => known.ref),
        );
      return context.json({ data: triggerView(trigger) });
    });
}

export function ofPack<T extends { readonly ref: string; readonly pack: string }>(
  all: Iterable<T>,
  pack: string | undefined,
): T[] {
  return [...all].filter((item) => pack === undefined || item.pack === pack).sort((a, b) => a.ref.localeCompare(b.ref));
}
