import { Hono } from "hono";
import { AttuneError } from "../core/errors.ts";
import type { Logger } from "../core/plugin.ts";
import { errorResponse } from "./errors.ts";
import { createGuard, type GuardOptions } from "./guard.ts";
import { componentRoutes } from "./routes/components.ts";
import { configRoutes } from "./routes/config.ts";
import { environmentRoutes } from "./routes/environments.ts";
import { eventRoutes } from "./routes/events.ts";
import { executionRoutes } from "./routes/executions.ts";
import { packRoutes } from "./routes/packs.ts";
import { pluginRoutes } from "./routes/plugins.ts";
import { ruleRoutes } from "./routes/rules.ts";
import { runtimeRoutes } from "./routes/runtimes.ts";
import { sensorRoutes } from "./routes/sensors.ts";
import { healthRoutes, statusRoutes } from "./routes/status.ts";
import { versionRoutes } from "./routes/versions.ts";
import type { Services } from "./services.ts";
import type { StreamOptions } from "./sse.ts";

/** Every route there is. The guard stands before all of them, so also what does not exist is refused without a token. */
export function createApp(options: { services: Services; guard: GuardOptions; streams: StreamOptions; log: Logger }): Hono {
  const { services, streams, log } = options;
  const check = createGuard(options.guard);
  const app = new Hono();
  app.use(async (context, next) => {
    context.header("Cache-Control", "no-store");
    context.header("X-Content-Type-Options", "nosniff");
    check(context.req.raw);
    await next();
  });
  app.route("/", healthRoutes(services));
  for (const routes of [
    statusRoutes(services),
    packRoutes(services),
    environmentRoutes(services),
    configRoutes(services),
    versionRoutes(services),
    componentRoutes(services),
    runtimeRoutes(services),
    pluginRoutes(services),
    ruleRoutes(services),
    sensorRoutes(services, streams),
    eventRoutes(services),
    executionRoutes(services, streams),
  ]) {
    app.route("/api/v1", routes);
  }
  app.notFound((context) =>
    errorResponse(
      context,
      new AttuneError("NOT_FOUND", `there is no ${context.req.method} ${context.req.path.slice(0, 200)}`),
      log,
    ),
  );
  app.onError((error, context) => errorResponse(context, error, log));
  return app;
}
