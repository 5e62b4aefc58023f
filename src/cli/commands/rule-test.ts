import { existsSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { AttuneError, toError } from "../../core/errors.ts";
import type { ConditionReport, GivenEvent, RuleExplanation } from "../../core/events/explain.ts";
import { isUuid } from "../../core/ids.ts";
import type { Json, JsonObject } from "../../core/plugin.ts";
import { isObject } from "../../core/values.ts";
import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import { exit } from "../failure.ts";
import { readTextFile } from "../parameters.ts";
import { problemLog } from "../problem-log.ts";

/** Judges an event by a rule and shows why; nothing is stored and nothing runs. */
export function addTest(command: Command, context: () => Context, setExitCode: (code: number) => void): void {
  command
    .command("test <rule>")
    .description("show what a rule makes of an event, and why; nothing runs")
    .requiredOption("--event <event>", "id of an event, or a YAML or JSON file with one or with its payload, or -")
    .addHelpText("after", "\nThe rule is a ref the daemon serves, or a file of a rule in a pack, for which no daemon is needed.")
    .action(async (rule: string, options: { event: string }) => {
      const shown = context();
      const event = await readEvent(options.event, shown);
      const explained = await explain(rule, event, shown);
      if (explained.verdict === "failed") setExitCode(exit.failed);
      await (shown.format === "table" ? show(explained, shown) : shown.print(explained));
    });
}

async function explain(rule: string, event: GivenEvent, shown: Context): Promise<RuleExplanation> {
  const { io } = shown;
  const file = path.resolve(io.cwd, rule);
  if (!rule.includes("/") && !existsSync(file)) {
    const { payload, id, trigger, created } = event;
    const body = {
      payload,
      ...(id !== undefined && { id }),
      ...(trigger !== undefined && { trigger_ref: trigger }),
      ...(created !== undefined && { created }),
    };
    return connect(shown).post<RuleExplanation>(`/rules/${segment(rule)}/test`, { event: body });
  }
  const { explainFile } = await import("../../core/testing/explain-file.ts");
  await using log = problemLog(io);
  return await explainFile(file, event, {
    config: shown.options.config,
    cwd: io.cwd,
    env: io.env,
    log,
    signal: io.signal,
  });
}

/** Text that is an event's id is one, whatever files there are. */
async function readEvent(given: string, shown: Context): Promise<GivenEvent> {
  if (isUuid(given)) return eventIn(await connect(shown).get<JsonObject>(`/events/${given}`));
  const text = given === "-" ? await shown.io.readStdin() : readTextFile(path.resolve(shown.io.cwd, given));
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 20 });
  } catch (thrown) {
    throw new AttuneError("USAGE", `${given} is neither YAML nor JSON: ${toError(thrown).message}`);
  }
  if (!isObject(value))
    throw new AttuneError("USAGE", `${given} holds no event`, { hint: "an object: the event, or its payload" });
  return eventIn(value);
}

/** As the API shows an event; an object without a trigger and a payload is itself the payload. */
function eventIn(value: JsonObject): GivenEvent {
  const { payload, id } = value;
  const trigger = value["trigger_ref"] ?? value["trigger"];
  const created = value["created"];
  if (!isObject(payload) || typeof trigger !== "string") return { payload: value };
  return {
    payload,
    trigger,
    ...(typeof id === "string" && { id }),
    ...(typeof created === "string" && { created }),
  };
}

async function show(explained: RuleExplanation, shown: Context): Promise<void> {
  await shown.record(explained, ({ rule, verdict, reason, inactive, action, parameters }) => [
    ["rule", rule],
    ["verdict", verdict],
    ...(reason === null ? [] : [["reason", reason] as const]),
    ...(inactive === null ? [] : [["inactive", `no event reaches it: ${inactive}`] as const]),
    ["action", action],
    ["parameters", parameters ?? "can't be rendered"],
  ]);
  await shown.io.out("\n");
  await shown.list(
    explained.conditions,
    [
      { header: "OUTCOME", value: ({ outcome }) => outcome, style: (text) => (text === "holds" ? "green" : "red") },
      { header: "CONDITION", value: conditionText },
      { header: "VALUE", value: valueText, shrinks: true },
    ],
    "no conditions: it fires for every event of its trigger",
  );
}

function conditionText(condition: ConditionReport): string {
  if (condition.kind === "expression") return `${condition.from}: ${condition.expression}`;
  const expected = condition.expected === undefined ? "" : ` ${JSON.stringify(condition.expected)}`;
  return `${condition.path} ${condition.operator}${expected}`;
}

function valueText(condition: ConditionReport): string {
  if (condition.kind === "comparison") return seen(condition.actual);
  const reads = condition.reads.map(({ path: name, value }) => `${name} is ${seen(value)}`);
  return [condition.outcome === "error" ? condition.reason : seen(condition.value), ...reads].join("; ");
}

function seen(value: Json | undefined): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}
