import { toError } from "../errors.ts";
import type { Interpreter } from "../plugin.ts";
import { findFirst } from "../regex.ts";
import { askProgram } from "./ask-program.ts";
import type { RuntimeVariant, VerificationCommand } from "./definition.ts";
import { compareVersions, satisfies } from "./versions.ts";

export interface VerifyContext {
  /** The environment in which the commands run and programs are looked up. */
  readonly env: Readonly<Record<string, string>>;
  /** false: the interpreter must be there, and no command is run. */
  readonly ask: boolean;
  readonly warn: (message: string) => void;
}

/** The interpreter of a variant as it is here. Rejects with the reason why it can't be used. */
export async function verify(variant: RuntimeVariant, context: VerifyContext): Promise<Interpreter> {
  const { interpreter, version: stated, verification } = variant;
  const path = interpreter && Bun.which(interpreter.binary, { PATH: context.env["PATH"] ?? "" });
  if (interpreter && !path) throw new Error(`${interpreter.binary} is not on the PATH`);
  const told = context.ask ? await firstAnswer(verification.commands, context.env) : null;
  const version = told ?? stated;
  if (told !== null && stated !== null && !satisfies(told, stated))
    throw new Error(`${interpreter?.binary ?? "it"} is version ${told}, not ${stated}`);
  const { minimum, recommended } = verification;
  if (version !== null && minimum !== null && compareVersions(version, minimum) < 0)
    throw new Error(`version ${version} is older than ${minimum}, the oldest that will do`);
  if (version !== null && recommended !== null && compareVersions(version, recommended) < 0)
    context.warn(`version ${version} is older than ${recommended}, which is recommended`);
  return { ...(path && { path }), ...(version !== null && { version }) };
}

/** The version that the first command to succeed tells; null when it tells none, or when no command has to succeed. */
async function firstAnswer(commands: readonly VerificationCommand[], env: VerifyContext["env"]): Promise<string | null> {
  let reason: Error | null = null;
  for (const command of commands) {
    try {
      return await versionFrom(command, env);
    } catch (thrown) {
      if (!command.optional) reason ??= toError(thrown);
    }
  }
  if (reason) throw reason;
  return null;
}

async function versionFrom({ binary, args, exitCode, pattern }: VerificationCommand, env: VerifyContext["env"]) {
  const program = Bun.which(binary, { PATH: env["PATH"] ?? "" });
  if (!program) throw new Error(`${binary} is not on the PATH`);
  const answer = await askProgram([program, ...args], env);
  const shown = [binary, ...args].join(" ");
  if (answer.exitCode !== exitCode) throw new Error(`${shown} ended with exit code ${answer.exitCode}, not ${exitCode}`);
  const found = pattern === null ? null : findFirst(pattern, answer.output);
  if (pattern !== null && !found) throw new Error(`the output of ${shown} does not match ${pattern}`);
  return found?.group ?? firstVersion(found?.text ?? answer.output) ?? firstVersion(answer.output);
}

function firstVersion(text: string): string | null {
  return /\d+(?:\.\d+)+(?:[-+]?[0-9A-Za-z.]*)|\d+/.exec(text)?.[0] ?? null;
}
