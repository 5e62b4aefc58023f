import { Hono } from "hono";
import type { EnvironmentView } from "../../core/environments/slot.ts";
import { listed, pathRef } from "../request.ts";
import type { Services } from "../services.ts";

export function environmentRoutes({ environments }: Services): Hono {
  return new Hono()
    .get("/environments", (context) => listed(context, environments.list().map(environmentView)))
    .post("/environments/:ref/rebuild", (context) => {
      const ref = pathRef(context);
      environments.rebuild(ref);
      const own = environments.list().filter(({ pack }) => pack === ref);
      return context.json({ data: own.map(environmentView) }, 202);
    })
    .delete("/environments/:ref", async (context) => {
      const ref = pathRef(context);
      await environments.remove(ref);
      return context.json({ data: { pack_ref: ref, removed: true } });
    });
}

function environmentView({ pack, size, ...environment }: EnvironmentView) {
  return { pack_ref: pack, ...environment, size_bytes: size };
}
