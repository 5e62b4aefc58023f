import path from "node:path";
import type { Command } from "commander";
import { AttuneError, toError } from "../../core/errors.ts";
import type { JsonObject } from "../../core/plugin.ts";
import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import type { Register } from "../groups.ts";
import { collect } from "../options.ts";
import { parseObject, readParameters, readTextFile } from "../parameters.ts";
import { statusStyle } from "../text.ts";
import type { Action } from "./action.ts";
import { addTest } from "./rule-test.ts";

interface Rule {
  id: number;
  ref: string;
  label: string;
  description: string | null;
  trigger_ref: string;
  action_ref: string;
  enabled: boolean;
  when: string | null;
  conditions: unknown;
  trigger_params: unknown;
  action_params: unknown;
  source: "pack" | "api";
  unresolved: string | null;
}

export const ruleCommands: Register = (command, context, setExitCode) => {
  command
    .command("list")
    .description("list rules")
    .option("--trigger <ref>", "only on this trigger")
    .option("--action <ref>", "only with this action")
    .option("--pack <ref>", "only of this pack")
    .option("--enabled", "only enabled ones")
    .option("--disabled", "only disabled ones")
    .action(async (options: { trigger?: string; action?: string; pack?: string; enabled?: boolean; disabled?: boolean }) => {
      const shown = context();
      const enabled = options.enabled ? "true" : options.disabled ? "false" : undefined;
      const query = { trigger_ref: options.trigger, action_ref: options.action, pack_ref: options.pack, enabled };
      await shown.list(
        await connect(shown).list<Rule>("/rules", query),
        [
          { header: "REF", value: (rule) => rule.ref },
          { header: "TRIGGER", value: (rule) => rule.trigger_ref },
          { header: "ACTION", value: (rule) => rule.action_ref },
          { header: "ENABLED", value: (rule) => (rule.enabled ? "yes" : "no"), style: statusStyle },
          { header: "FROM", value: (rule) => rule.source },
          { header: "UNRESOLVED", value: (rule) => rule.unresolved, shrinks: true },
        ],
        "no rules",
      );
    });
  command
    .command("show <ref>")
    .description("show one rule")
    .action(async (ref: string) => {
      const shown = context();
      await shown.record(await connect(shown).get<Rule>(`/rules/${segment(ref)}`), (rule) => [
        ["ref", rule.ref],
        ["id", rule.id],
        ["label", rule.label],
        ["description", rule.description],
        ["from", rule.source],
        ["enabled", rule.enabled ? "yes" : "no"],
        ["unresolved", rule.unresolved],
        ["trigger", rule.trigger_ref],
        ["trigger params", rule.trigger_params],
        ["when", rule.when],
        ["conditions", rule.conditions],
        ["action", rule.action_ref],
        ["action params", rule.action_params],
      ]);
    });
  addCreate(command, context);
  addTest(command, context, setExitCode);
  for (const verb of ["enable", "disable"] as const) {
    command
      .command(`${verb} <ref>`)
      .description(`${verb} a rule; for a pack's rule this survives reloads`)
      .action(async (ref: string) => {
        const shown = context();
        await shown.done(await connect(shown).post<Rule>(`/rules/${segment(ref)}/${verb}`), `rule ${ref} is ${verb}d`);
      });
  }
  command
    .command("delete <ref>")
    .description("delete a rule that was made through the API")
    .action(async (ref: string) => {
      const shown = context();
      await shown.done(await connect(shown).delete<object>(`/rules/${segment(ref)}`), `rule ${ref} is deleted`);
    });
};

interface CreateOptions {
  ref?: string;
  label?: string;
  description?: string;
  trigger?: string;
  action?: string;
  triggerParams?: string;
  params?: string;
  param?: string[];
  when?: string;
  disabled?: boolean;
  file?: string;
}

function addCreate(command: Command, context: () => Context): void {
  command
    .command("create")
    .description("create a rule from options, or from a YAML or JSON file")
    .option("-f, --file <file>", "read the rule from a file, or - for standard input; options win over it")
    .option("--ref <ref>", "its name, pack.name")
    .option("--trigger <ref>", "the trigger it is on")
    .option("--action <ref>", "the action it runs")
    .option("--trigger-params <json>", "parameters of the trigger as a JSON object")
    .option("--params-json <json>", "parameters of the action as a JSON object")
    .option("--param <name=value>", "one parameter of the action; may be repeated", collect)
    .option("--when <expression>", "CEL expression an event must meet, such as event.payload.level > 3")
    .option("--label <text>", "a short title")
    .option("--description <text>", "what it is for")
    .option("--disabled", "create it disabled")
    .action(async (options: CreateOptions & { paramsJson?: string }) => {
      const shown = context();
      const client = connect(shown);
      const fromFile = options.file === undefined ? {} : await readRuleFile(options.file, shown);
      const body: JsonObject = {
        ...fromFile,
        ...(options.ref !== undefined && { ref: options.ref }),
        ...(options.trigger !== undefined && { trigger_ref: options.trigger }),
        ...(options.action !== undefined && { action_ref: options.action }),
        ...(options.when !== undefined && { when: options.when }),
        ...(options.label !== undefined && { label: options.label }),
        ...(options.description !== undefined && { description: options.description }),
        ...(options.triggerParams !== undefined && { trigger_params: parseObject(options.triggerParams, "--trigger-params") }),
        ...(options.disabled && { enabled: false }),
      };
      for (const [key, flag] of [
        ["ref", "--ref"],
        ["trigger_ref", "--trigger"],
        ["action_ref", "--action"],
      ] as const) {
        if (!body[key])
          throw new AttuneError("USAGE", `a rule needs ${flag}`, { hint: "attune rule create --help shows an example" });
      }
      if ((options.param ?? []).length > 0 || options.paramsJson !== undefined) {
        const action = await client.get<Action>(`/actions/${segment(String(body["action_ref"]))}`);
        const given = { pairs: options.param ?? [], json: options.paramsJson, flag: "--params-json" };
        body["action_params"] = await readParameters(given, withTemplates(action, given.pairs), shown.io);
      }
      const rule = await client.post<Rule>("/rules", body);
      await shown.done(rule, `rule ${rule.ref} is created${rule.enabled ? "" : ", disabled"}`);
    })
    .addHelpText(
      "after",
      `
Example:
  attune rule create --ref ops.tick --trigger core.intervaltimer --trigger-params '{"unit":"seconds","interval":5}' \\
    --action core.echo --param message='tick {{ event.payload.execution_count }}'`,
    );
}

/** A template is text whatever type its result has: those parameters are taken as they are. */
function withTemplates({ parameters }: Action, pairs: readonly string[]): Action["parameters"] {
  const templates = pairs.filter((pair) => pair.includes("{{")).map((pair) => pair.slice(0, pair.indexOf("=")));
  return Object.fromEntries(
    Object.entries(parameters).map(([name, property]) => [name, templates.includes(name) ? { type: "string" } : property]),
  );
}

async function readRuleFile(file: string, { io }: Context): Promise<JsonObject> {
  const text = file === "-" ? await io.readStdin() : readTextFile(path.resolve(io.cwd, file));
  const { parse } = await import("yaml");
  let rule: unknown;
  try {
    rule = parse(text, { maxAliasCount: 20 });
  } catch (thrown) {
    throw new AttuneError("USAGE", `${file} is neither YAML nor JSON: ${toError(thrown).message}`);
  }
  if (typeof rule !== "object" || rule === null || Array.isArray(rule))
    throw new AttuneError("USAGE", `${file} does not hold a rule`);
  return rule as JsonObject;
}
