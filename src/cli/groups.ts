import type { Command } from "commander";
import type { Context } from "./context.ts";

/** Adds a group's commands. `context` is asked for when a command runs, since only then are the global options known. */
export type Register = (command: Command, context: () => Context, setExitCode: (code: number) => void) => void;

interface Group {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Register>;
}

/** Every command, in the order of help. Its code is loaded only when it is used: `attune --help` must be quick. */
export const groups: readonly Group[] = [
  {
    name: "daemon",
    summary: "run the daemon in this terminal",
    load: async () => (await import("./commands/daemon.ts")).daemonCommand,
  },
  {
    name: "init",
    summary: "make a project: configuration, a first pack, plugins",
    load: async () => (await import("./commands/init.ts")).initCommand,
  },
  {
    name: "status",
    summary: "show the daemon and what it serves",
    load: async () => (await import("./commands/status.ts")).statusCommand,
  },
  {
    name: "run",
    summary: "run an action, or a file that is in no pack, and wait for it",
    load: async () => (await import("./commands/run.ts")).runCommand,
  },
  {
    name: "pack",
    summary:
      "list, show, reload, config, history, diff, rollback, create, validate, test, eject, install, update, uninstall, index, env",
    load: async () => (await import("./commands/pack.ts")).packCommands,
  },
  { name: "action", summary: "list, show, run", load: async () => (await import("./commands/action.ts")).actionCommands },
  { name: "trigger", summary: "list, show, emit", load: async () => (await import("./commands/trigger.ts")).triggerCommands },
  {
    name: "rule",
    summary: "list, show, create, test, enable, disable, delete",
    load: async () => (await import("./commands/rule.ts")).ruleCommands,
  },
  { name: "sensor", summary: "list, show, logs", load: async () => (await import("./commands/sensor.ts")).sensorCommands },
  { name: "event", summary: "list, show", load: async () => (await import("./commands/event.ts")).eventCommands },
  {
    name: "enforcement",
    summary: "list, show: what each rule made of each event",
    load: async () => (await import("./commands/enforcement.ts")).enforcementCommands,
  },
  {
    name: "execution",
    summary: "list, show, logs",
    load: async () => (await import("./commands/execution.ts")).executionCommands,
  },
  {
    name: "runtime",
    summary: "list, show, check: what scripts can be run with",
    load: async () => (await import("./commands/runtime.ts")).runtimeCommands,
  },
  {
    name: "plugin",
    summary: "list, show, create, check",
    load: async () => (await import("./commands/plugin.ts")).pluginCommands,
  },
  {
    name: "schema",
    summary: "print the JSON Schema of a kind of pack file, for editors",
    load: async () => (await import("./commands/schema.ts")).schemaCommand,
  },
  { name: "version", summary: "print the version", load: async () => (await import("./commands/version.ts")).versionCommand },
];
