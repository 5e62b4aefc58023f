import { Hono } from "hono";
import type { AttuneError } from "../../core/errors.ts";
import { found, listed, notFound, pathRef } from "../request.ts";
import type { Services } from "../services.ts";
import { brokenPackView, type PackView, packView, reloadView } from "../views.ts";

export function packRoutes(services: Services): Hono {
  return (
    new Hono()
      .get("/packs", (context) => listed(context, allPacks(services)))
      .get("/packs/:ref", (context) => {
        const packs = allPacks(services);
        const ref = pathRef(context);
        const pack = packs.find((candidate) => candidate.ref === ref);
        if (!pack) throw noPack(ref, packs);
        return context.json({ data: pack });
      })
      // Of a pack that is gone, too.
      .get("/packs/:ref/history", (context) =>
        found(context, async (page) => {
          const ref = pathRef(context);
          const history = await services.history.packHistory(ref, page);
          const packs = allPacks(services);
          if (history.total === 0 && !packs.some((pack) => pack.ref === ref)) throw noPack(ref, packs);
          return history;
        }),
      )
      .post("/packs/reload", async (context) => context.json({ data: (await services.reload()).map(reloadView) }))
      .post("/packs/:ref/reload", async (context) =>
        context.json({ data: (await services.reload(pathRef(context))).map(reloadView) }),
      )
  );
}

function noPack(ref: string, packs: readonly PackView[]): AttuneError {
  return notFound(
    "pack",
    ref,
    packs.map((known) => known.ref),
  );
}

function allPacks(services: Services): PackView[] {
  const loaded = [...services.registry().packs.values()].map(packView);
  return [...loaded, ...services.brokenPacks().map(brokenPackView)].sort((a, b) => a.ref.localeCompare(b.ref));
}
