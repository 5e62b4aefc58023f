import { AttuneError, nearest } from "../../errors.ts";
import { compileRegex } from "../../regex.ts";
import type {
  DeclaredEnvironment,
  DeclaredVariable,
  EnvironmentType,
  RuntimeVariant,
  Verification,
} from "../../runtimes/definition.ts";
import { templateWords, unknownWords } from "../../runtimes/template.ts";
import { isVersion } from "../../runtimes/versions.ts";
import { mistake, warning } from "../problems.ts";
import type { Source } from "./kinds.ts";

type Text = string | number | boolean;
type Path = readonly (string | number)[];

/** The fields of `runtimes/*.yaml` as their schema admits them. */
export interface RuntimeBody {
  readonly execution_config?: ExecutionConfig | null;
  readonly distributions?: Distributions | null;
  readonly versions?: readonly {
    readonly version: Text;
    readonly execution_config?: ExecutionConfig | null;
    readonly distributions?: Distributions | null;
    readonly is_default?: boolean | null;
  }[];
}
interface ExecutionConfig {
  readonly interpreter?: {
    readonly binary?: string | null;
    readonly args?: readonly Text[] | null;
    readonly file_extension?: string | null;
  } | null;
  readonly environment?: {
    readonly env_type?: EnvironmentType | null;
    readonly create_command?: readonly Text[] | null;
    readonly interpreter_path?: string | null;
  } | null;
  readonly dependencies?: { readonly manifest_file?: string | null; readonly install_command?: readonly Text[] | null } | null;
  readonly env_vars?: Readonly<Record<string, Text | StatedVariable>> | null;
}
interface StatedVariable {
  readonly value: Text;
  readonly operation?: DeclaredVariable["operation"];
  readonly separator?: string;
}
interface Distributions {
  readonly verification?: {
    readonly always_available?: boolean | null;
    readonly check_required?: boolean | null;
    readonly commands?: readonly StatedCommand[] | null;
  } | null;
  readonly min_version?: Text | null;
  readonly recommended_version?: Text | null;
}
interface StatedCommand {
  readonly binary: string;
  readonly args?: readonly Text[] | null;
  readonly exit_code?: number | null;
  readonly pattern?: string | null;
  readonly priority?: number | null;
  readonly optional?: boolean | null;
}

/** What a file says of the ways to run scripts; what the schema can't see of its mistakes is reported. */
export function readVariants(source: Source<RuntimeBody>): readonly [RuntimeVariant, ...RuntimeVariant[]] {
  const { execution_config, distributions, versions } = source.fields;
  const way = readWay(source, execution_config ?? {}, ["execution_config"]);
  const own = {
    version: null,
    isDefault: false,
    ...way,
    verification: readVerification(source, distributions, ["distributions"]),
  };
  const others = (versions ?? []).map((stated, i) => ({
    version: readVersion(source, stated.version, ["versions", i, "version"]),
    isDefault: stated.is_default ?? false,
    // The configuration of a version is the whole of it; without one it is that of the runtime.
    ...(stated.execution_config ? readWay(source, stated.execution_config, ["versions", i, "execution_config"]) : way),
    verification: readVerification(source, stated.distributions, ["versions", i, "distributions"]),
  }));
  return [own, ...others];
}

/** Ending of its scripts' names. */
export function readExtension({ execution_config }: RuntimeBody): string | null {
  return execution_config?.interpreter?.file_extension || null;
}

function readWay(
  source: Source<RuntimeBody>,
  config: ExecutionConfig,
  path: Path,
): Pick<RuntimeVariant, "interpreter" | "environment" | "variables"> {
  const { binary = null, args = null } = config.interpreter ?? {};
  checkWords(source, args ?? [], [...path, "interpreter", "args"]);
  return {
    interpreter: !binary || binary === "native" || binary === "none" ? null : { binary, args: (args ?? []).map(String) },
    environment: readEnvironment(source, config, path),
    variables: Object.entries(config.env_vars ?? {}).map(([name, value]) =>
      readVariable(source, name, value, [...path, "env_vars", name]),
    ),
  };
}

/** null when there is nothing that makes one. */
function readEnvironment(source: Source<RuntimeBody>, config: ExecutionConfig, path: Path): DeclaredEnvironment | null {
  const { env_type, create_command, interpreter_path } = config.environment ?? {};
  const { manifest_file, install_command } = config.dependencies ?? {};
  checkWords(source, create_command ?? [], [...path, "environment", "create_command"]);
  checkWords(source, interpreter_path ? [interpreter_path] : [], [...path, "environment", "interpreter_path"]);
  checkWords(source, install_command ?? [], [...path, "dependencies", "install_command"]);
  const type = env_type ?? "none";
  const create = (create_command ?? []).map(String);
  const install = (install_command ?? []).map(String);
  if (type === "none" || (create.length === 0 && install.length === 0)) return null;
  return { type, create, install, manifest: manifest_file || null, interpreter: interpreter_path || null };
}

function readVariable(source: Source<RuntimeBody>, name: string, stated: Text | StatedVariable, path: Path): DeclaredVariable {
  if (name.startsWith("ATTUNE_")) {
    const hint = "choose another name";
    source.report(
      warning(source.file, source.at(path, "key"), `\`${name}\` is ignored: names with ATTUNE_ are attune's own`, hint),
    );
  }
  const { value, operation = "set", separator = ":" } = typeof stated === "object" ? stated : { value: stated };
  checkWords(source, [value], typeof stated === "object" ? [...path, "value"] : path);
  return { name, value: String(value), operation, separator };
}

function readVerification(
  source: Source<RuntimeBody>,
  distributions: Distributions | null | undefined,
  path: Path,
): Verification {
  const { always_available, check_required, commands } = distributions?.verification ?? {};
  const read = (commands ?? []).map((command, i) => {
    const { pattern } = command;
    if (pattern) checkPattern(source, pattern, [...path, "verification", "commands", i, "pattern"]);
    return {
      binary: command.binary,
      args: (command.args ?? []).map(String),
      exitCode: command.exit_code ?? 0,
      pattern: pattern || null,
      optional: command.optional ?? false,
      priority: command.priority ?? 0,
    };
  });
  const sorted = read.toSorted((a, b) => a.priority - b.priority).map(({ priority: _, ...command }) => command);
  const of = (key: "min_version" | "recommended_version") => {
    const stated = distributions?.[key];
    return stated === undefined || stated === null ? null : readVersion(source, stated, [...path, key]);
  };
  return {
    commands: always_available || check_required === false ? [] : sorted,
    minimum: of("min_version"),
    recommended: of("recommended_version"),
  };
}

function readVersion({ file, at, report }: Source<RuntimeBody>, stated: Text, path: Path): string {
  const version = String(stated);
  if (!isVersion(version))
    report(mistake(file, at(path), `${JSON.stringify(version)} is no version`, 'write numbers such as "3.12"'));
  return version;
}

function checkPattern({ file, at, report }: Source<RuntimeBody>, pattern: string, path: Path): void {
  try {
    compileRegex(pattern);
  } catch (thrown) {
    if (!(thrown instanceof AttuneError)) throw thrown;
    report(mistake(file, at(path), thrown.message, thrown.hint));
  }
}

/** `path` leads to the list, or to the one text. */
function checkWords({ file, at, report }: Source<RuntimeBody>, templates: readonly Text[], path: Path): void {
  for (const [i, template] of templates.entries()) {
    for (const word of unknownWords(String(template))) {
      const near = nearest(word, templateWords);
      const hint = near ? `did you mean {${near}}?` : `known are ${templateWords.map((known) => `{${known}}`).join(", ")}`;
      report(warning(file, at([...path, i]), `{${word}} stands for nothing and stays as it is`, hint));
    }
  }
}
