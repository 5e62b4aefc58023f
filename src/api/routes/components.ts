import { Hono } from "hono";
import { type Action, allActions, allTriggers, findTrigger, requireAction, type Trigger } from "../../core/registry.ts";
import { listed, notFound, pathRef, queryText } from "../request.ts";
import type { Services } from "../services.ts";
import { actionView, runtimeView, triggerView } from "../views.ts";

/** Actions, triggers and runtimes: read from the registry, changed only by their files. */
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
    })
    .get("/runtimes", (context) => {
      const runtimes = [...services.registry().runtimes.values()].sort((a, b) => a.ref.localeCompare(b.ref));
      return listed(context, runtimes.map(runtimeView));
    })
    .get("/runtimes/:ref", (context) => {
      const { runtimes } = services.registry();
      const runtime = runtimes.get(pathRef(context));
      if (!runtime) throw notFound("runtime", pathRef(context), runtimes.keys());
      return context.json({ data: runtimeView(runtime) });
    });
}

export function ofPack<T extends { readonly ref: string; readonly pack: string }>(
  all: Iterable<T>,
  pack: string | undefined,
): T[] {
  return [...all].filter((item) => pack === undefined || item.pack === pack).sort((a, b) => a.ref.localeCompare(b.ref));
}
