import { qualify } from "../../paths.ts";
import type { JsonObject, Problem } from "../../plugin.ts";
import type { OutputFormat, ParameterFormat } from "../../registry.ts";
import { versionRange } from "../../runtimes/versions.ts";
import { canonical, digest } from "../hash.ts";
import { mistake, warning } from "../problems.ts";
import type { PackDocument } from "../yaml/document.ts";
import type { CheckRule, Draft } from "./components.ts";
import { type RuntimeBody, readExtension, readVariants } from "./runtime-reader.ts";
import { readSchema } from "./schemas.ts";

/** What a reader of one kind is given: fields that fit the schema, and a way to say what is wrong with them. */
export interface Source<Fields> {
  readonly fields: Fields;
  readonly file: string;
  readonly pack: string;
  readonly at: PackDocument["at"];
  readonly report: (problem: Problem) => void;
}

export interface CommonFields {
  readonly ref: string;
  readonly label?: string;
  readonly description?: string;
  readonly enabled?: boolean;
  readonly tags?: string[];
}
interface ActionFields extends CommonFields {
  readonly runner_type?: string;
  readonly runtime_version?: string | number;
  readonly warm?: boolean;
  readonly entry_point: string;
  readonly parameters?: JsonObject;
  readonly output?: JsonObject;
  readonly parameter_delivery?: "stdin" | "file" | "env";
  readonly parameter_format?: ParameterFormat;
  readonly output_format?: OutputFormat;
  readonly timeout_seconds?: number;
}
interface TriggerFields extends CommonFields {
  readonly type?: string;
  readonly parameters?: JsonObject;
  readonly output?: JsonObject;
}
interface SensorFields extends CommonFields {
  readonly runner_type?: string;
  readonly runtime_version?: string | number;
  readonly entry_point: string;
  readonly trigger_types?: string | string[];
  readonly parameters?: JsonObject;
  readonly config?: JsonObject;
  readonly control?: "stdin" | "restart";
}
export interface RuleFields extends CommonFields {
  readonly trigger_ref: string;
  readonly action_ref: string;
  readonly when?: string;
  readonly conditions?: JsonObject;
  readonly trigger_params?: JsonObject;
  readonly action_params?: JsonObject;
}
interface RuntimeFields extends CommonFields, RuntimeBody {
  readonly name?: string;
  readonly aliases?: string[];
}

function common({ fields, file, pack }: Source<CommonFields>) {
  return {
    ref: fields.ref,
    pack,
    label: fields.label ?? labelOf(fields.ref),
    description: fields.description ?? null,
    enabled: fields.enabled ?? true,
    tags: fields.tags ?? [],
    file,
  };
}

export function readAction(source: Source<ActionFields>): Draft {
  const { fields } = source;
  const delivery = fields.parameter_delivery ?? (fields.parameter_format ? "stdin" : "compat");
  return {
    kind: "action",
    component: hashed({
      kind: "action" as const,
      ...common(source),
      runner_type: fields.runner_type ?? null,
      runtime_version: readRange(source),
      warm: fields.warm ?? true,
      entry_point: fields.entry_point,
      parameters: readSchema("parameters", source.fields.parameters, source, source.report),
      output: readSchema("output", source.fields.output, source, source.report),
      delivery,
      format: fields.parameter_format ?? "json",
      output_format: fields.output_format ?? "text",
      timeout: fields.timeout_seconds ?? null,
    }),
  };
}

export function readTrigger(source: Source<TriggerFields>): Draft {
  return {
    kind: "trigger",
    component: hashed({
      kind: "trigger" as const,
      ...common(source),
      type: source.fields.type ?? null,
      parameters: readSchema("parameters", source.fields.parameters, source, source.report),
      output: readSchema("output", source.fields.output, source, source.report),
    }),
  };
}

export function readSensor(source: Source<SensorFields>): Draft {
  const { fields, file, pack, at, report } = source;
  const triggers = [fields.trigger_types ?? []].flat().map((ref) => qualify(ref, pack));
  if (triggers.length === 0) {
    report(
      warning(
        file,
        at(["trigger_types"], "key"),
        "the sensor names no trigger, so it never starts",
        "add trigger_types: [pack.trigger]",
      ),
    );
  }
  return {
    kind: "sensor",
    component: hashed({
      kind: "sensor" as const,
      ...common(source),
      runner_type: fields.runner_type ?? null,
      runtime_version: readRange(source),
      entry_point: fields.entry_point,
      triggers: [...new Set(triggers)],
      parameters: readSchema("parameters", source.fields.parameters, source, source.report),
      config: fields.config ?? {},
      control: fields.control ?? "restart",
    }),
  };
}

export function readRule(source: Source<RuleFields>, checkRule: CheckRule | undefined): Draft {
  const { fields, file, pack, at, report } = source;
  const rule = hashed({
    kind: "rule" as const,
    ...common(source),
    trigger: qualify(fields.trigger_ref, pack),
    action: qualify(fields.action_ref, pack),
    when: fields.when ?? null,
    conditions: fields.conditions ?? {},
    trigger_params: fields.trigger_params ?? {},
    action_params: fields.action_params ?? {},
  });
  for (const { path, offset, message, hint } of checkRule?.(rule) ?? []) report(mistake(file, at(path, offset), message, hint));
  return { kind: "rule", component: rule };
}

export function readRuntime(source: Source<RuntimeFields>): Draft {
  const { fields, file, pack } = source;
  return {
    kind: "runtime",
    component: hashed({
      ref: fields.ref,
      pack,
      name: fields.name ?? nameOf(fields.ref),
      description: fields.description ?? null,
      aliases: fields.aliases ?? [],
      extension: readExtension(fields),
      variants: readVariants(source),
      file,
    }),
  };
}

/** The range of versions that a component asks for. */
function readRange({ fields, file, at, report }: Source<{ readonly runtime_version?: string | number }>): string | null {
  const stated = fields.runtime_version;
  if (stated === undefined) return null;
  const range = String(stated);
  const place = at(["runtime_version"]);
  if (versionRange(range) === null) {
    const message = `\`runtime_version\` is no range of versions: ${JSON.stringify(range)}`;
    report(mistake(file, place, message, 'write one such as ">=3.10", "~3.12" or ">=3.10,<4.0"'));
  } else if (typeof stated === "number" && /\.\d$/.test(range)) {
    report(
      warning(
        file,
        place,
        `\`runtime_version\` is the number ${range}, also if ${range}0 was meant`,
        `put quotes around it: "${range}"`,
      ),
    );
  }
  return range;
}

/** The hash covers what the component is, not the file it stands in: renaming the file changes nothing. */
function hashed<Fields extends { readonly file: string }>(fields: Fields): Fields & { readonly hash: string } {
  const { file: _, ...content } = fields;
  return { ...fields, hash: digest(canonical(content)) };
}

function nameOf(ref: string): string {
  return ref.slice(ref.indexOf(".") + 1);
}

/** `core.http_request` -> `Http Request` */
export function labelOf(ref: string): string {
  const words = nameOf(ref).split(/[_-]+/).filter(Boolean);
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}
