import { writeFile } from "node:fs/promises";
import path from "node:path";
import { toError } from "../errors.ts";
import { asksForPackages, copyManifests } from "../manifest-files.ts";
import type { EnvironmentRecipe, EnvironmentSettings, EnvironmentStep, Interpreter, Launch, LaunchTarget } from "../plugin.ts";
import type { Runtime, RuntimeState } from "../registry.ts";
import type { EnvironmentType, RuntimeDefinition, RuntimeVariant } from "./definition.ts";
import nodeImport from "./node-import.cjs" with { type: "text" };
import { fill, fillAll, fillVariables, manifestPath, type Words } from "./template.ts";
import { type VerifyContext, verify } from "./verify.ts";
import { compareVersions } from "./versions.ts";

/** A variant that is here. */
interface Found {
  readonly variant: RuntimeVariant;
  readonly interpreter: Interpreter;
}

/** A runtime that a pack declares, verified. Never rejects: what is missing is its state. */
export async function runtimeFromDefinition(definition: RuntimeDefinition, context: VerifyContext): Promise<Runtime> {
  const { variants } = definition;
  const tried = await Promise.allSettled(
    variants.map(async (variant): Promise<Found> => ({ variant, interpreter: await verify(variant, context) })),
  );
  const found = preferred(tried.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
  const failed = tried.find((one) => one.status === "rejected");
  const foundFor = ({ path, version }: Interpreter) =>
    found.find(({ interpreter }) => interpreter.path === path && interpreter.version === version) ?? found[0];
  return {
    ref: definition.ref,
    name: definition.name,
    description: definition.description,
    aliases: definition.aliases,
    extensions: extensionsOf(definition),
    source: definition.file,
    revision: definition.hash,
    state: stateOf(found, failed ? toError(failed.reason).message : "it has no version"),
    launch: (target) => launchOf(foundFor(target.interpreter)?.variant ?? variants[0], target, context.env),
    environment: recipeOf(variants, (interpreter) => foundFor(interpreter)?.variant ?? variants[0], context.env),
    refused: { action: null, sensor: null },
  };
}

export function extensionsOf({ extension }: RuntimeDefinition): readonly string[] {
  return extension === null ? [] : [extension];
}

/** In the order in which they are preferred when nothing else is asked for; of those that are the same the first. */
function preferred(found: readonly Found[]): Found[] {
  const rank = ({ variant }: Found) => (variant.isDefault ? 0 : variant.version === null ? 1 : 2);
  const sorted = found.toSorted(
    (a, b) => rank(a) - rank(b) || compareVersions(b.interpreter.version ?? "", a.interpreter.version ?? ""),
  );
  const keyOf = ({ path = "", version = "" }: Interpreter) => `${path} ${version}`;
  return sorted.filter((one, i) => sorted.findIndex((other) => keyOf(other.interpreter) === keyOf(one.interpreter)) === i);
}

function stateOf(found: readonly Found[], reason: string): RuntimeState {
  const [first, ...others] = found.map((one) => one.interpreter);
  return first ? { available: true, interpreters: [first, ...others] } : { available: false, reason };
}

function launchOf(variant: RuntimeVariant, target: LaunchTarget, base: Readonly<Record<string, string>>): Launch {
  const { environment } = variant;
  const program = programOf(variant, target.environment, target.interpreter);
  const words: Words = {
    pack_dir: target.pack.dir,
    env_dir: target.environment ?? undefined,
    interpreter: program ?? undefined,
    action_file: target.entrypoint,
    manifest_path: target.environment === null ? undefined : manifestPath(target.pack.dir, environment?.manifest ?? null),
  };
  const args = fillAll(variant.interpreter?.args ?? [], words);
  return {
    argv: program === null ? [target.entrypoint] : [program, ...args, target.entrypoint],
    env: fillVariables(variant.variables, words, base),
  };
}

/** The program that runs the script: that of the environment, where there is one. */
function programOf({ interpreter, environment }: RuntimeVariant, dir: string | null, found: Interpreter): string | null {
  if (!interpreter) return null;
  const own = environment?.interpreter && dir !== null ? fill(environment.interpreter, { env_dir: dir }) : null;
  return own ?? found.path ?? interpreter.binary;
}

/** null when no variant has commands that make an environment. */
function recipeOf(
  variants: readonly RuntimeVariant[],
  variantFor: (interpreter: Interpreter) => RuntimeVariant,
  base: Readonly<Record<string, string>>,
): EnvironmentRecipe | null {
  const environments = variants.flatMap(({ environment }) => (environment ? [environment] : []));
  if (environments.length === 0) return null;
  return {
    manifests: [...new Set(environments.flatMap(({ manifest, type }) => [manifest ?? [], lockOf[type] ?? []].flat()))],
    async create(target) {
      const { pack, dir, interpreter, manifests, settings } = target;
      const variant = variantFor(interpreter);
      const { environment } = variant;
      if (!environment) return [];
      if (environment.type === "node_modules") {
        if (!manifests.includes("package.json") || !(await asksForPackages(pack.dir))) return [];
        // npm works where the manifest is, and the pack is read-only.
        await copyManifests(target);
        // For NODE_OPTIONS of the runtime; `import` does not know NODE_PATH.
        await writeFile(path.join(dir, "attune-import.cjs"), nodeImport);
      }
      const words: Words = {
        pack_dir: pack.dir,
        env_dir: dir,
        interpreter: interpreter.path,
        manifest_path: manifestPath(pack.dir, environment.manifest),
      };
      const step = (command: readonly string[], inner: Words): EnvironmentStep[] => {
        const [program, ...args] = fillAll(command, inner);
        const env = { ...variablesOf(environment.type, settings), ...fillVariables(variant.variables, inner, base) };
        return program === undefined ? [] : [{ argv: [program, ...args], env }];
      };
      const installs = environment.manifest !== null && manifests.includes(environment.manifest);
      const inside: Words = { ...words, interpreter: programOf(variant, dir, interpreter) ?? undefined };
      return [...step(environment.create, words), ...(installs ? step(environment.install, inside) : [])];
    },
  };
}

/** What decides about the packages besides the manifest. */
const lockOf: Partial<Record<EnvironmentType, string>> = { node_modules: "package-lock.json" };

/** What the installers of these kinds of environments are told of the configuration. */
function variablesOf(type: EnvironmentType, settings: EnvironmentSettings): Record<string, string> {
  if (type === "node_modules") return settings.npmRegistry === null ? {} : { npm_config_registry: settings.npmRegistry };
  if (type !== "virtualenv") return {};
  return {
    ...(settings.index !== null && { PIP_INDEX_URL: settings.index }),
    ...(settings.findLinks.length > 0 && { PIP_FIND_LINKS: settings.findLinks.join(" ") }),
    ...(settings.offline && { PIP_NO_INDEX: "1" }),
  };
}
