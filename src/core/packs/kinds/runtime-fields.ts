import type { JsonObject } from "../../plugin.ts";
import { environmentTypes, variableOperations } from "../../runtimes/definition.ts";

const text = (description: string): JsonObject => ({ type: ["string", "null"], title: "text", description });
const flag = (description: string): JsonObject => ({ type: ["boolean", "null"], title: "true or false", description });
const words = (description: string): JsonObject => ({
  type: ["array", "null"],
  title: "a list",
  items: { type: ["string", "number"], title: "text" },
  description,
});
const mapping = (description: string, properties: JsonObject, required: string[] = []): JsonObject => ({
  type: ["object", "null"],
  title: "`name: value` lines",
  description,
  properties,
  required,
});
const version = (description: string): JsonObject => ({ type: ["string", "number", "null"], title: "a version", description });

const interpreter = mapping("program and arguments before the file", {
  binary: text("program; empty, native or none executes the file itself"),
  args: words("arguments before the file; may hold {words}"),
  file_extension: text("ending of its scripts, such as .rb"),
});

const environment = mapping("how a pack's own environment is made", {
  env_type: { enum: [...environmentTypes, null], description: "kind of environment; none: none is made" },
  dir_name: { description: "accepted, not used: environments lie outside the pack" },
  create_command: words("program and arguments that make it in the empty {env_dir}"),
  interpreter_path: text("program of the environment that takes the interpreter's place"),
});

const dependencies = mapping("how the packages a pack asks for are installed", {
  manifest_file: {
    type: ["string", "null"],
    pattern: "^(?!\\.{1,2}$)[^/\\\\]+$",
    title: "the name of a file at the pack's root",
    description: "file at the root of a pack that asks for packages; a pack without it has no environment",
  },
  install_command: words("program and arguments that install them; {interpreter} is that of the environment"),
});

const variables: JsonObject = {
  type: ["object", "null"],
  title: "`NAME: value` lines",
  description: "environment variables; the values may hold {words}",
  propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$", title: "letters, digits and _" },
  additionalProperties: {
    type: ["string", "number", "boolean", "object"],
    title: "text, or `value`, `operation` and `separator`",
    properties: {
      value: { type: ["string", "number", "boolean"], title: "text", description: "may hold {words}" },
      operation: { enum: [...variableOperations], description: "what happens to the value that is there; default set" },
      separator: { type: "string", description: 'what stands between the parts; default ":"' },
    },
    required: ["value"],
  },
};

const executionConfig = mapping("how a script is started; {} executes the file itself", {
  interpreter,
  inline_execution: mapping("accepted, not used: only shell actions may have their code in entry_point", {
    strategy: { enum: ["direct", "temp_file", null], description: "how text is run" },
    extension: text("ending of the file"),
    inject_shell_helpers: flag("whether helpers are put before it"),
  }),
  environment,
  dependencies,
  env_vars: variables,
});

const distributions = mapping("how to find out whether it is installed", {
  verification: mapping("whether its interpreter works", {
    always_available: flag("no command is run; default false"),
    check_required: flag("false: no command is run; default true"),
    commands: {
      type: ["array", "null"],
      title: "a list",
      description: "tried by priority until one succeeds",
      items: {
        type: "object",
        properties: {
          binary: { type: "string", description: "program" },
          args: words("arguments"),
          exit_code: { type: ["integer", "null"], title: "a whole number", description: "exit code of success; default 0" },
          pattern: text("RE2 regular expression that the output must match; its first group is the version"),
          priority: { type: ["integer", "null"], title: "a whole number", description: "the smallest is tried first" },
          optional: flag("that it fails does not count; default false"),
        },
        required: ["binary"],
      },
    },
  }),
  min_version: version("oldest version that will do"),
  recommended_version: version("an older one is warned of"),
});

/** What `runtimes/*.yaml` may state beside what all components may. */
export const runtimeFields = {
  execution_config: executionConfig,
  distributions,
  versions: {
    type: "array",
    description: "versions that are there side by side; runtime_version of a component picks among them",
    items: {
      type: "object",
      properties: {
        version: { ...version("such as 3.12"), type: ["string", "number"] },
        execution_config: executionConfig,
        distributions,
        is_default: flag("taken when a component states no range; default false"),
        meta: { description: "notes of your own" },
      },
      required: ["version"],
    },
  },
} satisfies Record<string, JsonObject>;
