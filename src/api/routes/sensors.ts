import { Hono } from "hono";
import { allSensors, findSensor, type Sensor } from "../../core/registry.ts";
import { listed, notFound, pathRef, queryText } from "../request.ts";
import type { Services } from "../services.ts";
import { type StreamOptions, serverSentEvents, untilAborted } from "../sse.ts";
import { sensorView } from "../views.ts";
import { ofPack } from "./components.ts";

export function sensorRoutes(services: Services, streams: StreamOptions): Hono {
  const view = (sensor: Sensor) =>
    sensorView(
      sensor,
      services.sensors().find((state) => state.ref === sensor.ref),
    );
  return new Hono()
    .get("/sensors", (context) => {
      const states = new Map(services.sensors().map((state) => [state.ref, state]));
      const sensors = ofPack<Sensor>(allSensors(services.registry()), queryText(context, "pack_ref", "pack"));
      return listed(
        context,
        sensors.map((sensor) => sensorView(sensor, states.get(sensor.ref))),
      );
    })
    .get("/sensors/:ref", (context) => context.json({ data: view(requireSensor(services, pathRef(context))) }))
    .get("/sensors/:ref/logs", (context) => {
      const { ref } = requireSensor(services, pathRef(context));
      return context.json({ data: { ref, lines: services.sensorLog(ref) } });
    })
    .get("/sensors/:ref/logs/stream", (context) => {
      const { ref } = requireSensor(services, pathRef(context));
      return serverSentEvents(context, streams, async (send, signal) => {
        for await (const line of untilAborted(services.followSensorLog(ref, signal), signal)) await send("line", line);
      });
    });
}

function requireSensor(services: Services, ref: string): Sensor {
  const registry = services.registry();
  const sensor = findSensor(registry, ref);
  if (!sensor)
    throw notFound(
      "sensor",
      ref,
      [...allSensors(registry)].map((known) => known.ref),
    );
  return sensor;
}
