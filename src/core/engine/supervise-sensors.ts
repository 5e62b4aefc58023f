import type { Settings } from "../config.ts";
import type { HookRunner } from "../hooks.ts";
import type { Logger, Sql } from "../plugin.ts";
import { sensorRestarts } from "../processes/backoff.ts";
import { createSupervisor, type Supervisor } from "../processes/supervisor.ts";
import { announceSensor } from "./announce.ts";
import type { Children } from "./children.ts";
import { rulesMessage, type SensorStart, startSensor, type WantedSensor } from "./sensors.ts";

/** Keeps the wanted sensors running; what they write to stderr goes to the log, and each change of state to observers. */
export function superviseSensors(engine: {
  settings: Settings;
  storage: Sql;
  children: Children;
  lines: SensorStart["lines"];
  hooks: HookRunner;
  log: Logger;
}): Supervisor<WantedSensor> {
  const { settings, storage, children, lines, hooks, log } = engine;
  const context: SensorStart = {
    ...children,
    sql: storage,
    lines,
    tooLong: (sensor) => log.warn("a line of a sensor is too long and was dropped", { sensor: sensor.ref }),
  };
  return createSupervisor<WantedSensor>({
    policy: sensorRestarts,
    grace: settings.limits.grace * 1_000,
    message: (wanted) => rulesMessage(storage, wanted),
    start: (wanted, line) =>
      startSensor(context, wanted, (text) => {
        line(text);
        log[settings.packs.byPack.get(wanted.sensor.pack)?.debug ? "info" : "debug"](text, { sensor: wanted.ref });
      }),
    changed(state) {
      announceSensor(log, state);
      void hooks.notify("sensor:state", { sensor: state.ref, status: state.status, pid: state.pid, reason: state.reason });
    },
  });
}
