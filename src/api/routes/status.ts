import { Hono } from "hono";
import { allActions, allTriggers } from "../../core/registry.ts";
import type { Services } from "../services.ts";

export function statusRoutes(services: Services): Hono {
  return new Hono().get("/status", (context) => context.json({ data: statusView(services) }));
}

/** Liveness and readiness, in one word each: these paths are answered without a token. */
export function healthRoutes(services: Services): Hono {
  const live = (context: { json(value: object): Response }) => context.json({ status: "ok" });
  const ready = (context: { json(value: object, status: 200 | 503): Response }) => {
    const isReady = services.status().ready;
    return context.json({ status: isReady ? "ok" : "unavailable" }, isReady ? 200 : 503);
  };
  return new Hono()
    .get("/health", (context) => live(context))
    .get("/health/live", (context) => live(context))
    .get("/healthz", (context) => live(context))
    .get("/health/ready", (context) => ready(context))
    .get("/readyz", (context) => ready(context));
}

function statusView(services: Services) {
  const registry = services.registry();
  const { storage, transport, executions, ...daemon } = services.status();
  const rules = [...registry.rules.values()];
  const packProblems = [...registry.packs.values(), ...services.brokenPacks()].map((pack) => ({
    ref: pack.ref,
    errors: pack.problems.filter((problem) => problem.severity === "error").length,
  }));
  return {
    ...daemon,
    storage,
    transport,
    executions,
    packs: {
      loaded: registry.packs.size,
      with_errors: packProblems.filter((pack) => pack.errors > 0),
    },
    actions: [...allActions(registry)].length,
    triggers: [...allTriggers(registry)].length,
    rules: {
      total: rules.length,
      enabled: rules.filter((rule) => rule.enabled).length,
      unresolved: rules.filter((rule) => rule.unresolved !== null).length,
    },
    sensors: countBy(services.sensors().map((sensor) => sensor.status)),
    runtimes: {
      available: [...registry.runtimes.values()].filter((runtime) => runtime.state.available).length,
      total: registry.runtimes.size,
    },
  };
}

function countBy(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
