import { Hono } from "hono";
import { readJsonObject } from "../body.ts";
import { pathRef, queryText, requiredText } from "../request.ts";
import type { Services } from "../services.ts";
import { reloadView } from "../views.ts";

/** Versions of packs: how they differ, and going back to one. */
export function versionRoutes({ versions }: Services): Hono {
  return new Hono()
    .get("/packs/:ref/diff", async (context) => {
      const { from, to, files } = await versions.diff(
        pathRef(context),
        queryText(context, "from") ?? "current",
        queryText(context, "to") ?? "current",
      );
      return context.json({ data: { from: versionView(from), to: versionView(to), files } });
    })
    .post("/packs/:ref/rollback", async (context) => {
      const version = requiredText(await readJsonObject(context.req.raw), "version");
      const { to, files, reports } = await versions.rollback(pathRef(context), version);
      return context.json({ data: { to: versionView(to), files, reports: reports.map(reloadView) } });
    });
}

function versionView({ snapshot, version }: { readonly snapshot: string; readonly version: string | null }) {
  return { snapshot, version };
}
