import type { NewFile } from "./new-files.ts";

/** What `attune init` writes; paths are relative to the project. */
export const projectFiles: readonly NewFile[] = [
  {
    path: "attune.config.ts",
    mode: 0o644,
    content: `import { defineConfig } from "attune";

// Every setting has a default; a change takes effect when the daemon is restarted.
export default defineConfig({
  packs: { directory: "packs" },
  plugins: { directory: "plugins" },
});
`,
  },
  {
    path: "packs/hello/pack.yaml",
    mode: 0o644,
    content: `ref: hello
label: Hello
description: A first pack. Save any of its files and the change is live.
version: 0.1.0
`,
  },
  {
    path: "packs/hello/rules/tick.yaml",
    mode: 0o644,
    content: `ref: hello.tick
label: Tick
description: Echoes a line every second.
trigger_ref: core.intervaltimer
trigger_params:
  unit: seconds
  interval: 1
action_ref: core.echo
action_params:
  message: "tick {{ event.payload.execution_count }}"
`,
  },
  {
    path: "packs/hello/actions/greet.yaml",
    mode: 0o644,
    content: `ref: hello.greet
label: Greet
description: Greets someone. Try it with "attune run hello.greet name=Ada".
runner_type: shell
entry_point: greet.sh
parameters:
  name:
    type: string
    description: Whom to greet
    default: world
`,
  },
  {
    path: "packs/hello/actions/greet.sh",
    mode: 0o755,
    content: `#!/bin/sh
# Each parameter is also in the environment, as ATTUNE_ACTION_<NAME>.
printf 'Hello, %s!\\n' "$ATTUNE_ACTION_NAME"
`,
  },
  {
    path: "tsconfig.json",
    mode: 0o644,
    content: `{
  // For editors, which find the types in plugins/attune.d.ts; attune itself does not read it.
  "extends": "./plugins/tsconfig.json",
  "include": ["attune.config.ts", "packs", "plugins"]
}
`,
  },
  {
    path: "plugins/README.md",
    mode: 0o644,
    content: `# Plugins

Each TypeScript or JavaScript file in this directory is a plugin. Save one and it is live; remove it and it is gone. This one,
as \`awk.ts\`, is a runtime: actions and sensors may then say \`runner_type: awk\`.

    import { defineRuntime } from "attune";

    export default defineRuntime({
      name: "awk",
      api: 1,
      extensions: [".awk"],
      launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
    });

\`attune plugin create NAME --kind runtime\` (or hooks, transport, storage) writes one to begin with, \`attune plugin check FILE\`
tries it, and \`attune plugin list\` shows what is there. \`attune.d.ts\` has the types, for your editor.
`,
  },
];
