import { type Context, Hono } from "hono";
import { listed, notFound, pathRef } from "../request.ts";
import { runtimeView } from "../runtime-view.ts";
import type { Services } from "../services.ts";

/** Runtimes, by ref or by any word that a pack may use. */
export function runtimeRoutes(services: Services): Hono {
  const all = () => [...services.registry().runtimes.values()].sort((a, b) => a.ref.localeCompare(b.ref)).map(runtimeView);

  function found(context: Context) {
    const { runtimes, runtimeNames } = services.registry();
    const word = pathRef(context);
    const runtime = runtimes.get(runtimeNames.get(word.toLowerCase()) ?? word);
    if (!runtime) throw notFound("runtime", word, runtimeNames.keys());
    return runtimeView(runtime);
  }

  return new Hono()
    .get("/runtimes", (context) => listed(context, all()))
    .get("/runtimes/:ref", (context) => context.json({ data: found(context) }))
    .post("/runtimes/check", async (context) => {
      await services.checkRuntimes();
      return context.json({ data: all() });
    });
}
