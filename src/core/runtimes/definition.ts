/** `runtimes/*.yaml`, contract 1.9, brought to one form: what is absent is null or empty. */
export interface RuntimeDefinition {
  readonly ref: string;
  readonly pack: string;
  readonly name: string;
  readonly description: string | null;
  readonly aliases: readonly string[];
  /** Ending of its scripts' names, with the dot. */
  readonly extension: string | null;
  /** The runtime itself, then its `versions`. */
  readonly variants: readonly [RuntimeVariant, ...RuntimeVariant[]];
  readonly file: string;
  readonly hash: string;
}

/** One way to run a script: that of the runtime itself or of one of its versions. */
export interface RuntimeVariant {
  /** As the file states it; null for the runtime itself. */
  readonly version: string | null;
  readonly isDefault: boolean;
  /** Program and the arguments before the script; null: the script is itself the program. */
  readonly interpreter: { readonly binary: string; readonly args: readonly string[] } | null;
  readonly environment: DeclaredEnvironment | null;
  readonly variables: readonly DeclaredVariable[];
  readonly verification: Verification;
}

/** How the packages a pack asks for get into a directory of their own. Commands and path are templates. */
export interface DeclaredEnvironment {
  readonly type: EnvironmentType;
  readonly create: readonly string[];
  readonly install: readonly string[];
  /** Name of the file at the root of a pack that asks for packages; null: every pack has an environment. */
  readonly manifest: string | null;
  /** Program of the environment that takes the interpreter's place. */
  readonly interpreter: string | null;
}
export const environmentTypes = ["virtualenv", "node_modules", "gopath", "gem_home", "local_lib", "renv", "none"] as const;
export type EnvironmentType = (typeof environmentTypes)[number];

export interface DeclaredVariable {
  readonly name: string;
  /** A template. */
  readonly value: string;
  readonly operation: (typeof variableOperations)[number];
  readonly separator: string;
}
export const variableOperations = ["set", "prepend", "append"] as const;

/** How to find out whether the interpreter is there, and its version. */
export interface Verification {
  /** In the order in which they are tried; the first that succeeds decides. */
  readonly commands: readonly VerificationCommand[];
  readonly minimum: string | null;
  readonly recommended: string | null;
}
export interface VerificationCommand {
  readonly binary: string;
  readonly args: readonly string[];
  readonly exitCode: number;
  /** Regular expression (RE2) that the output must match; its first group is the version. */
  readonly pattern: string | null;
  /** That it fails does not count. */
  readonly optional: boolean;
}
