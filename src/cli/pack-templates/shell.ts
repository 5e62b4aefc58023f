import type { Template } from "./template.ts";

const greet = `#!/bin/sh
# Each parameter is in the environment, as ATTUNE_ACTION_<NAME>. What is printed is the result.
set -eu

printf 'Hello, %s!\\n' "$ATTUNE_ACTION_NAME"
`;

const clock = (pack: string) => `#!/bin/sh
# Each line on standard output is an event. Everything on standard error is the sensor's log.
set -eu

number=1
while :; do
  printf '{"trigger_ref":"${pack}.beat","payload":{"number":%d}}\\n' "$number"
  number=$((number + 1))
  sleep "$ATTUNE_SENSOR_SECONDS"
done
`;

export const shell: Template = { runtime: "shell", ending: ".sh", result: "text", greet, clock };

const program =
  "#!/bin/sh\n# Any program that can be executed will do: put your own, compiled or not, in the place of this one.\n#\n";

export const native: Template = {
  runtime: "native",
  ending: "",
  result: "text",
  greet: greet.replace("#!/bin/sh\n", program),
  clock: (pack) => clock(pack).replace("#!/bin/sh\n", program),
};
