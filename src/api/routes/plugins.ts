import { Hono } from "hono";
import type { PluginState } from "../../core/plugins/state.ts";
import { listed, notFound, pathRef } from "../request.ts";
import type { Services } from "../services.ts";

/** Plugins, built-in ones as well. They are changed only by their files. */
export function pluginRoutes(services: Services): Hono {
  return new Hono()
    .get("/plugins", (context) => listed(context, services.plugins().map(pluginView)))
    .get("/plugins/:ref", (context) => {
      const name = pathRef(context);
      const all = services.plugins();
      // A file that is rejected may claim a name which another has: the one that serves is meant.
      const named = all.filter((plugin) => plugin.name === name);
      const plugin = named.find(({ status }) => status !== "rejected") ?? named[0];
      if (!plugin)
        throw notFound(
          "plugin",
          name,
          all.map((known) => known.name),
        );
      return context.json({ data: pluginView(plugin) });
    });
}

function pluginView({ name, kind, source, file, status, note, error, hooks, runtime }: PluginState) {
  return { name, kind, source, file, status, note, error, hooks, runtime };
}
