import { Hono } from "hono";
import { listed, notFound, pathRef } from "../request.ts";
import type { Services } from "../services.ts";
import { brokenPackView, type PackView, packView, reloadView } from "../views.ts";

export function packRoutes(services: Services): Hono {
  return new Hono()
    .get("/packs", (context) => listed(context, allPacks(services)))
    .get("/packs/:ref", (context) => {
      const packs = allPacks(services);
      const ref = pathRef(context);
      const pack = packs.find((candidate) => candidate.ref === ref);
      if (!pack)
        throw notFound(
          "pack",
          ref,
          packs.map((known) => known.ref),
        );
      return context.json({ data: pack });
    })
    .post("/packs/reload", async (context) => context.json({ data: (await services.reload()).map(reloadView) }))
    .post("/packs/:ref/reload", async (context) =>
      context.json({ data: (await services.reload(pathRef(context))).map(reloadView) }),
    );
}

function allPacks(services: Services): PackView[] {
  const loaded = [...services.registry().packs.values()].map(packView);
  return [...loaded, ...services.brokenPacks().map(brokenPackView)].sort((a, b) => a.ref.localeCompare(b.ref));
}
