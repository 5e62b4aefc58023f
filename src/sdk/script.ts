/** What `import ... from "attune"` gives to action and sensor scripts. Loaded into each of them, so it stays small. */
export type { Awaitable, Json, JsonObject } from "../core/plugin.ts";
export { type ActionContext, ActionFailure, runAction } from "./action.ts";
export { runSensor, type SensorApi, type SensorEvent, type SensorHandlers } from "./sensor.ts";
export type { SensorRule } from "./sensor-rules.ts";
