import type { JsonObject } from "../../plugin.ts";
import { runtimeFields } from "./runtime-fields.ts";
import { testingField } from "./testing-field.ts";

export type Kind = "pack" | "action" | "trigger" | "sensor" | "rule" | "runtime";
export type ComponentKind = Exclude<Kind, "pack">;

/** What a kind of file may state. A field's `title` is what an error says was expected. */
interface FieldTable {
  readonly required: readonly string[];
  readonly fields: { readonly [field: string]: JsonObject };
  /** Other spelling to field; used only when the field itself is absent. */
  readonly aliases: { readonly [spelling: string]: string };
}

const text = (description: string): JsonObject => ({ type: "string", description });
const flag = (description: string): JsonObject => ({ type: "boolean", description });
const words = (description: string): JsonObject => ({ type: "array", items: { type: "string" }, description });
const mapping = (description: string): JsonObject => ({ type: "object", description });
const oneOf = (values: string[], description: string): JsonObject => ({ enum: values, description });
/** Written by packs for other tools or later versions: accepted in any form and not used. */
const unused = (fields: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(fields).map(([field, what]) => [field, { description: `${what}; accepted, not used` }]));

const schema = (what: string) => mapping(`${what}: name to property, or a JSON Schema of type object`);
const REF = "^[a-z][a-z0-9_-]{0,63}\\.[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$";
const QUALIFIABLE = "^([a-z][a-z0-9_-]{0,63}\\.)?[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$";
const componentRef: JsonObject = {
  type: "string",
  pattern: REF,
  title: "a ref of the form pack.name",
  description: "its full name, pack.name",
};
const localRef = (description: string): JsonObject => ({
  type: "string",
  pattern: QUALIFIABLE,
  title: "a ref of the form pack.name, or a name of this pack",
  description,
});
const version: JsonObject = {
  type: "string",
  pattern: "^v?\\d+\\.\\d+\\.\\d+([-+][0-9A-Za-z.+-]+)?$",
  title: 'a version of three numbers such as "1.0.0"',
  description: "version of the pack, three numbers",
};
const seconds: JsonObject = {
  type: "number",
  exclusiveMinimum: 0,
  maximum: 31_536_000,
  title: "a number of seconds above 0",
  description: "seconds it may run",
};

const common = {
  label: text("name for people; derived from the ref when absent"),
  description: text("what it is for"),
  enabled: flag("whether it takes part; default true"),
  tags: words("words to find it by"),
  pack_ref: text("the pack; informative"),
  ...unused({
    meta: "notes of your own",
    examples: "how it is used",
    reference_visibility: "who may name it",
    reference_allowed_pack_refs: "packs that may name it",
  }),
};
const commonAliases = { name: "label", metadata: "meta", keywords: "tags" };
const placement = unused({
  worker_selector: "which workers",
  worker_tolerations: "which workers",
  worker_affinity: "which workers",
  required_worker_runtimes: "what a worker must have",
});
const retention = unused({
  log_retention_policy: "unit in which logs are kept",
  log_retention_limit: "how many of them",
  artifact_retention_policy: "unit in which artifacts are kept",
  artifact_retention_limit: "how many of them",
});
const permissions = unused({ permission_set_refs: "rights of its executions", permission_set_ref: "rights of its executions" });
const code = {
  runner_type: text("runtime: a ref, a name or an alias; derived from the entry point's file name when absent"),
  entry_point: text("file in the component's folder"),
  runtime_version: {
    type: ["string", "number"],
    title: 'a version range such as ">=3.10"',
    description: "versions of the runtime it needs, a semver range",
  } as JsonObject,
  parameters: schema("parameters"),
};
const parameterAliases = { parameters_schema: "parameters", param_schema: "parameters" };

export const fieldTables: { readonly [kind in Kind]: FieldTable } = {
  pack: {
    required: ["ref", "version"],
    fields: {
      ref: {
        type: "string",
        pattern: "^[a-z][a-z0-9_-]{0,63}$",
        title: "lower case letters, digits, _ and -, without a dot",
        description: "the pack's name",
      },
      label: common.label,
      description: common.description,
      version,
      author: text("who wrote it"),
      email: text("where to reach the author"),
      system: flag("part of the platform; default false"),
      enabled: common.enabled,
      tags: common.tags,
      conf_schema: schema("configuration"),
      config: mapping("default configuration"),
      meta: mapping("notes of your own"),
      runtime_deps: words("runtimes the pack needs"),
      dependencies: { type: "array", description: "other packs" },
      warm: flag("whether its actions may be started by a warm server; default true"),
      testing: testingField,
      ...unused({ icon: "picture", tolerations: "which workers", affinity: "which workers" }),
      ...placement,
    },
    aliases: { name: "label", config_schema: "conf_schema", metadata: "meta", keywords: "tags" },
  },
  action: {
    required: ["ref", "entry_point"],
    fields: {
      ref: componentRef,
      ...common,
      ...code,
      output: schema("result"),
      parameter_delivery: oneOf(
        ["stdin", "file", "env"],
        "how the script gets its parameters; when absent by stdin and environment",
      ),
      parameter_format: oneOf(["json", "yaml", "dotenv"], "form of the parameters for the script; default json"),
      output_format: oneOf(["text", "json", "yaml", "jsonl"], "how stdout is read; default text"),
      timeout_seconds: seconds,
      warm: flag("whether it may be started by a warm server; default true"),
      ...unused({
        default_execution_permission_set_refs: "rights of its executions",
        accesses_mcp: "whether it talks to MCP servers",
        workflow_file: "a workflow, which is not supported",
      }),
      ...placement,
      ...retention,
    },
    aliases: { ...commonAliases, ...parameterAliases, output_schema: "output", timeout: "timeout_seconds" },
  },
  trigger: {
    required: ["ref"],
    fields: {
      ref: componentRef,
      ...common,
      type: text("kind of source; informative"),
      parameters: schema("what a rule may set as trigger_params"),
      output: schema("payload"),
    },
    aliases: { ...commonAliases, ...parameterAliases, output_schema: "output", payload_schema: "output", out_schema: "output" },
  },
  sensor: {
    required: ["ref", "entry_point"],
    fields: {
      ref: componentRef,
      ...common,
      ...code,
      trigger_types: {
        type: ["array", "string"],
        items: localRef("trigger"),
        pattern: QUALIFIABLE,
        title: "a list of refs of triggers",
        description: "refs of the triggers it emits",
      },
      config: mapping("handed over as ATTUNE_SENSOR_<KEY>"),
      control: oneOf(["stdin", "restart"], "how it learns of changed rules; default restart"),
      ...unused({ poll_interval: "the process sets its own pace" }),
      ...placement,
      ...retention,
    },
    aliases: { ...commonAliases, ...parameterAliases, trigger_type: "trigger_types" },
  },
  rule: {
    required: ["ref", "trigger_ref", "action_ref"],
    fields: {
      ref: localRef("pack.name, or the name alone"),
      ...common,
      trigger_ref: localRef("trigger it listens to"),
      action_ref: localRef("action it runs"),
      when: { type: "string", title: "a CEL expression", description: "CEL expression; the rule fires when it is true" },
      conditions: {
        type: ["object", "array"],
        title: "a list of conditions, or an expression",
        description: "conditions in the contract's form",
      },
      trigger_params: mapping("parameters of the trigger"),
      action_params: mapping("parameters of the action; may hold {{ templates }}"),
      ...permissions,
      ...unused({ trace_tag_template: "name for traces" }),
    },
    aliases: { ...commonAliases, trigger: "trigger_ref", action: "action_ref" },
  },
  runtime: {
    required: ["ref"],
    fields: {
      ref: componentRef,
      ...common,
      name: text("word for runner_type; default: the ref's last part"),
      aliases: words("other words for runner_type"),
      ...runtimeFields,
      ...unused({ installation: "how it is installed" }),
    },
    aliases: { metadata: "meta", keywords: "tags" },
  },
};

/** JSON Schema (draft 7) of one kind of file, other spellings included: for `ajv` and for editors. */
export function schemaOf(kind: Kind): JsonObject {
  const { fields, required, aliases } = fieldTables[kind];
  const properties: JsonObject = { ...fields };
  for (const [spelling, field] of Object.entries(aliases)) {
    properties[spelling] = { ...fields[field], description: `same as ${field}` };
  }
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: `attune ${kind}`,
    type: "object",
    required: [...required],
    properties,
  };
}
