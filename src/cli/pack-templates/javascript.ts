import type { Template } from "./template.ts";

export const typescript: Template = {
  runtime: "typescript",
  ending: ".ts",
  result: "json",
  greet: `#!/usr/bin/env bun
import { runAction } from "attune";

await runAction<{ name: string }>(({ name }) => ({ greeting: \`Hello, \${name}!\` }));
`,
  clock: (pack) => `#!/usr/bin/env bun
import { runSensor } from "attune";

const seconds = Number(process.env["ATTUNE_SENSOR_SECONDS"]);

await runSensor((sensor) => ({
  async run(signal) {
    for (let number = 1; !signal.aborted; number++) {
      await sensor.emit({ trigger: "${pack}.beat", payload: { number } });
      await Bun.sleep(seconds * 1_000);
    }
  },
}));
`,
};

export const nodejs: Template = {
  runtime: "nodejs",
  ending: ".js",
  result: "json",
  greet: `#!/usr/bin/env node
"use strict";

// The parameters are one JSON object on standard input; the result is printed as one.
const { readFileSync } = require("node:fs");

const { name } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify({ greeting: \`Hello, \${name}!\` }));
`,
  clock: (pack) => `#!/usr/bin/env node
"use strict";

// Each line on standard output is an event. Everything on standard error is the sensor's log.
const seconds = Number(process.env.ATTUNE_SENSOR_SECONDS);
let number = 1;

function beat() {
  console.log(JSON.stringify({ trigger_ref: "${pack}.beat", payload: { number: number++ } }));
}

beat();
setInterval(beat, seconds * 1_000);
`,
};
