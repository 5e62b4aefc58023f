import { type Context, Hono } from "hono";
import { AttuneError } from "../../core/errors.ts";
import type { ConfigEntry } from "../../core/pack-config.ts";
import { masked } from "../../core/schema/secrets.ts";
import { readJsonObject } from "../body.ts";
import { maskSchema } from "../mask.ts";
import { optionalObject, pathRef } from "../request.ts";
import type { Services } from "../services.ts";

/** What a pack is configured with, and where each value comes from. */
export function configRoutes({ config }: Services): Hono {
  const view = (ref: string) => {
    const { schema, entries } = config.show(ref);
    const hidden = ({ secret, value }: ConfigEntry) => secret && value !== null;
    return {
      data: {
        schema: maskSchema(schema),
        entries: entries.map((entry) => (hidden(entry) ? { ...entry, value: masked } : entry)),
      },
    };
  };
  return new Hono()
    .get("/packs/:ref/config", (context) => context.json(view(pathRef(context))))
    .patch("/packs/:ref/config", async (context) => {
      const ref = pathRef(context);
      const values = optionalObject(await readJsonObject(context.req.raw), "values");
      if (Object.keys(values).length === 0) throw new AttuneError("BODY_INVALID", "values must hold at least one key");
      await config.set(ref, values);
      return context.json(view(ref));
    })
    .delete("/packs/:ref/config/:key", async (context: Context) => {
      const ref = pathRef(context);
      await config.unset(ref, [context.req.param("key") ?? ""]);
      return context.json(view(ref));
    });
}
