import { Command, CommanderError } from "commander";
import { AttuneError, toError } from "../core/errors.ts";
import { createContext, type GlobalOptions } from "./context.ts";
import { exit, exitCodeOf, renderFailure, withoutSystemWords } from "./failure.ts";
import { groups } from "./groups.ts";
import type { Io } from "./io.ts";
import { version } from "./version.ts";

/** Runs one command line, without the program's name, and returns its exit code. Never throws. */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const words = argv[0] === "help" ? [...argv.slice(1), "--help"] : argv.length === 0 ? ["--help"] : [...argv];
  const state = { code: exit.ok as number };
  const help: Promise<void>[] = [];
  const program = createProgram(io, help);
  try {
    await addGroup(program, io, words, (code) => {
      state.code = code;
    });
    await program.parseAsync(words, { from: "user" });
    return state.code;
  } catch (thrown) {
    if (io.signal.aborted && isInterruption(thrown, io.signal)) return exit.interrupted;
    const failure = thrown instanceof CommanderError ? usageError(thrown) : withoutSystemWords(thrown);
    if (failure === null) return exit.ok;
    const options = program.opts<GlobalOptions>();
    // The line may be refused before its options are understood.
    const json =
      options.j === true || options.output === "json" || words.includes("-j") || /(-o|--output)[ =]?json\b/.test(words.join(" "));
    await io.err(renderFailure(failure, json));
    return exitCodeOf(failure);
  } finally {
    await Promise.all(help);
  }
}

/** `help` collects what commander writes by itself, since it does not wait for it. */
function createProgram(io: Io, help: Promise<void>[]): Command {
  const program = new Command("attune")
    .description("Event-driven automation: sensors see, rules decide, actions run.")
    .version(`attune ${version}`, "-V, --version", "print the version")
    .option("--url <url>", "address of the daemon (ATTUNE_API_URL)")
    .option("--token <token>", "token of its API (ATTUNE_API_TOKEN)")
    .option("-c, --config <file>", "configuration file (ATTUNE_CONFIG)")
    .option("-o, --output <format>", "table, json or yaml", "table")
    .option("-j", "the same as --output json")
    .option("--no-color", "no colours (NO_COLOR)")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void help.push(io.out(text)),
      // Help asked for by leaving out the command is a mistake; every other message is rendered by runCli.
      writeErr: (text) => void help.push(io.err(text)),
      outputError: () => {},
      getOutHelpWidth: () => io.columns ?? 100,
      getErrHelpWidth: () => io.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const { name, summary } of groups) program.command(name).description(summary).helpCommand(false);
  return program;
}

/** Loads the one group the line is about. Before parsing, since commander counts a command's options when it comes to it. */
async function addGroup(program: Command, io: Io, words: readonly string[], setExitCode: (code: number) => void): Promise<void> {
  const [name] = program.parseOptions([...words]).operands;
  const group = groups.find((candidate) => candidate.name === name);
  const command = program.commands.find((candidate) => candidate.name() === name);
  if (!group || !command) return;
  const register = await group.load();
  register(command, () => createContext(io, program.opts<GlobalOptions>()), setExitCode);
}

function isInterruption(thrown: unknown, signal: AbortSignal): boolean {
  return thrown === signal.reason || toError(thrown).name === "AbortError";
}

/** null for what commander calls an error and is none: help and version that were asked for. */
function usageError(error: CommanderError): AttuneError | null {
  if (error.exitCode === 0) return null;
  if (error.code === "commander.help")
    return new AttuneError("USAGE", "a command is missing", { hint: "those above can follow" });
  const [what = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  const near = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? "")?.[1];
  return new AttuneError("USAGE", what, { hint: near ? `did you mean ${near}?` : "--help shows what can be given" });
}
