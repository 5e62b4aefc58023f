import { readFile } from "node:fs/promises";
import path from "node:path";
import { execa } from "execa";
import { AttuneError, toError } from "../../core/errors.ts";
import type { EnvironmentRecipe, EnvironmentSettings, EnvironmentTarget } from "../../core/plugin.ts";

/**
 * A virtualenv with what `requirements.txt` lists or, without one, the `dependencies` of `pyproject.toml`. The pack itself is not
 * installed: its `lib/` is on the module path.
 */
export const pythonEnvironment: EnvironmentRecipe = {
  manifests: ["requirements.txt", "pyproject.toml"],
  async create(target) {
    const packages = target.manifests.includes("requirements.txt")
      ? ["-r", path.join(target.pack.dir, "requirements.txt")]
      : await dependenciesOf(path.join(target.pack.dir, "pyproject.toml"));
    if (packages.length === 0) return [];
    const uv = findUv(target.settings);
    return uv ? withUv(uv, target, packages) : withPip(target, packages);
  },
};

/** The program that runs the scripts of a pack. */
export function pythonOf(environment: string): string {
  return path.join(environment, "bin", "python");
}

function withUv(uv: string, { interpreter, dir, settings }: EnvironmentTarget, packages: readonly string[]) {
  const python = ["--python", interpreter.path ?? "python3"];
  return [
    { argv: [uv, "venv", "--no-config", "--no-project", "--allow-existing", ...python, dir] as const },
    {
      argv: [
        ...([uv, "pip", "install", "--no-config", "--no-progress", "--compile-bytecode"] as const),
        ...["--python", pythonOf(dir), ...sources(settings), ...packages],
      ] as const,
      env: indexVariables(settings),
    },
  ];
}

async function withPip({ interpreter, dir, settings }: EnvironmentTarget, packages: readonly string[]) {
  const python = interpreter.path ?? "python3";
  await requireVenv(python, interpreter.version ?? "");
  return [
    { argv: [python, "-m", "venv", dir] as const },
    {
      argv: [
        ...([pythonOf(dir), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"] as const),
        ...["--progress-bar", "off", ...sources(settings), ...packages],
      ] as const,
      env: indexVariables(settings),
    },
  ];
}

/** The address may have a password in it, and everybody on the machine sees arguments. */
function indexVariables({ index }: EnvironmentSettings): Record<string, string> {
  return index === null ? {} : { PIP_INDEX_URL: index, UV_INDEX_URL: index };
}

function sources({ findLinks, offline }: EnvironmentSettings): string[] {
  return [...findLinks.flatMap((place) => ["--find-links", place]), ...(offline ? ["--no-index"] : [])];
}

function findUv({ installer }: EnvironmentSettings): string | null {
  if (installer === "pip") return null;
  const uv = Bun.which("uv");
  if (uv || installer === "auto") return uv;
  throw new AttuneError("RUNTIME_UNAVAILABLE", "uv is not on the PATH", {
    hint: 'install it, or take "pip" as environments.installer',
  });
}

/** Debian leaves these modules out of its python3 package, and the message of venv itself is about something else. */
async function requireVenv(python: string, version: string): Promise<void> {
  const { exitCode, stderr } = await execa(python, ["-I", "-c", "import venv, ensurepip"], { reject: false, timeout: 30_000 });
  if (exitCode === 0) return;
  const last = String(stderr ?? "")
    .trim()
    .split("\n")
    .at(-1);
  const debian = `python${version.split(".").slice(0, 2).join(".")}-venv`;
  throw new AttuneError("RUNTIME_UNAVAILABLE", `${python} can't make virtual environments: ${last || "it does not start"}`, {
    hint: `install uv, or the venv module: apt install ${debian} on Debian and Ubuntu`,
  });
}

async function dependenciesOf(file: string): Promise<string[]> {
  let found: unknown;
  try {
    const document = Bun.TOML.parse(await readFile(file, "utf8")) as { project?: { dependencies?: unknown } };
    found = document.project?.dependencies ?? [];
  } catch (thrown) {
    throw new AttuneError("PACK_INVALID", `pyproject.toml can't be read: ${toError(thrown).message}`);
  }
  // One that begins with a dash would be an option of the installer.
  const isRequirement = (one: unknown): one is string => typeof one === "string" && /^\s*[A-Za-z0-9]/.test(one);
  if (Array.isArray(found) && found.every(isRequirement)) return found;
  throw new AttuneError("PACK_INVALID", "pyproject.toml: project.dependencies is no list of requirements", {
    hint: 'write it as ["requests>=2.31"]',
  });
}
