#!/usr/bin/env bun
import { loadavg } from "node:os";
import { runSensor, type SensorRule } from "attune";

await runSensor((sensor) => {
  let rules: readonly SensorRule[] = [];

  return {
    rules(current) {
      rules = current;
    },
    async run(signal) {
      for (let second = 1; !signal.aborted; second++) {
        await Bun.sleep(1_000);
        const due = rules.filter((rule) => second % Number(rule.params["every_seconds"] ?? 10) === 0);
        const [oneMinute = 0, , fifteenMinutes = 0] = loadavg();
        const payload = { one_minute: oneMinute, fifteen_minutes: fifteenMinutes };
        await sensor.emit(due.map((rule) => ({ trigger: rule.trigger, rule, payload })));
      }
    },
  };
});
