#!/usr/bin/env bun
import { runSensor } from "attune";
import { createAlarm } from "../lib/alarm.ts";
import { createTimers } from "../lib/timers.ts";

await runSensor((sensor) => {
  const alarm = createAlarm();
  const timers = createTimers({ sensorRef: sensor.ref ?? "core.interval_timer_sensor", warn: sensor.log });

  return {
    rules(rules) {
      timers.update(rules, Date.now());
      alarm.ring();
    },
    async run(signal) {
      while (!signal.aborted) {
        const events = timers.fire(Date.now());
        // While the daemon takes nothing more, nothing fires: afterwards each rule gets its latest tick only.
        if (events.length > 0) await sensor.emit(events);
        await alarm.wait(timers.sleepMs(Date.now()));
      }
    },
    stop: () => alarm.ring(),
  };
});
