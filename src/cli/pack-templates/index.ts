import { nodejs, typescript } from "./javascript.ts";
import { python } from "./python.ts";
import { native, shell } from "./shell.ts";
import type { Template } from "./template.ts";

/** What a new pack can be written in, by the runtime's ref. */
export const templates: ReadonlyMap<string, Template> = new Map([
  ["core.shell", shell],
  ["core.python", python],
  ["core.bun", typescript],
  ["core.nodejs", nodejs],
  ["core.native", native],
]);

/** The files of a new pack, by their paths in it. Scripts start with `#!`. */
export function packFiles(pack: string, { runtime, ending, result, greet, clock }: Template): Record<string, string> {
  const label = pack
    .split(/[_-]+/)
    .filter(Boolean)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
  const greets = (name: string) =>
    result === "json"
      ? `result: { data: { greeting: "Hello, ${name}!" } }`
      : `stdout: { matches: "^Hello, ${name}!\\n$" }`.replace("\n", "\\n");
  return {
    "pack.yaml": `ref: ${pack}
label: ${label}
description: What the pack is for
version: 0.1.0
`,
    "actions/greet.yaml": `ref: ${pack}.greet
label: Greet
description: Greets someone
runner_type: ${runtime}
entry_point: greet${ending}
${result === "json" ? "parameter_delivery: stdin\nparameter_format: json\noutput_format: json\n" : ""}parameters:
  name:
    type: string
    description: Whom to greet
    default: world
${result === "json" ? "output:\n  greeting:\n    type: string\n    required: true\n" : ""}`,
    [`actions/greet${ending}`]: greet,
    "triggers/beat.yaml": `ref: ${pack}.beat
label: Beat
description: Some time has passed
output:
  number:
    type: integer
    description: Counts from 1
    required: true
`,
    "sensors/clock.yaml": `ref: ${pack}.clock
label: Clock
description: Emits a beat again and again
runner_type: ${runtime}
entry_point: clock${ending}
trigger_types: [${pack}.beat]
# Each key reaches the script as a variable: ATTUNE_SENSOR_SECONDS.
config:
  seconds: 10
`,
    [`sensors/clock${ending}`]: clock(pack),
    "rules/greet_on_beat.yaml": `ref: ${pack}.greet_on_beat
label: Greet On Beat
description: Greets at every second beat
trigger_ref: ${pack}.beat
when: payload.number % 2 == 0
action_ref: ${pack}.greet
action_params:
  name: "beat {{ payload.number }}"
`,
    "tests/greet.yaml": `cases:
  - name: greets by name
    action: greet
    parameters: { name: Ada }
    expect:
      ${greets("Ada")}

  - name: greets the world when nobody is named
    action: greet
    expect:
      ${greets("world")}

  - name: refuses what it does not know
    action: greet
    parameters: { nmae: Ada }
    expect:
      status: refused
      error: { contains: "did you mean \`name\`?" }
`,
    "tests/greet_on_beat.yaml": `cases:
  - name: greets at an even beat
    rule: greet_on_beat
    event: { number: 2 }
    expect:
      fires: true
      parameters: { name: beat 2 }

  - name: leaves out an odd one
    rule: greet_on_beat
    event: { number: 3 }
    expect:
      fires: false
      reason: { contains: payload.number is 3 }
`,
    "README.md": `# ${label}

| component            | what it does                                        |
| -------------------- | --------------------------------------------------- |
| sensor \`clock\`       | emits \`beat\` again and again                        |
| rule \`greet_on_beat\` | runs \`greet\` at every second beat                   |
| action \`greet\`       | greets someone                                      |

\`\`\`
attune pack validate ${pack}      # the files fit together
attune pack test ${pack}          # the cases in tests/ hold; no daemon is needed
attune run ${pack}.greet name=Ada       # with a daemon that serves the pack
\`\`\`
`,
  };
}
