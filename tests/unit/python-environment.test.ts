import { expect, test } from "bun:test";
import { join } from "node:path";
import type { EnvironmentTarget } from "../../src/core/plugin.ts";
import { pythonEnvironment } from "../../src/plugins/runtimes/python-environment.ts";
import { tempDir, writePack } from "../support/packs.ts";

const python = Bun.which("python3", { PATH: "/usr/bin:/usr/local/bin" }) ?? "python3";

function target(
  dir: string,
  files: Record<string, string>,
  settings: Partial<EnvironmentTarget["settings"]> = {},
): EnvironmentTarget {
  writePack(dir, files);
  return {
    pack: { ref: "p", dir },
    manifests: pythonEnvironment.manifests.filter((name) => name in files),
    interpreter: { path: python, version: "3.11.2" },
    dir: "/made",
    settings: { installer: "pip", index: null, findLinks: [], offline: false, npmRegistry: null, ...settings },
  };
}
const lastArguments = async (given: EnvironmentTarget) => (await pythonEnvironment.create(given)).at(-1)?.argv.slice(-4);

test("requirements.txt wins over pyproject.toml, of which the dependencies count", async () => {
  using dir = tempDir("python");
  const pyproject = '[project]\ndependencies = ["demo>=1", "other[x] ; python_version > \'3\'"]\n';
  const both = target(dir.path, { "requirements.txt": "a", "pyproject.toml": pyproject });
  expect(await lastArguments(both)).toEqual(["--progress-bar", "off", "-r", join(dir.path, "requirements.txt")]);
  const one = target(dir.path, { "pyproject.toml": pyproject });
  expect((await lastArguments(one))?.slice(-2)).toEqual(["demo>=1", "other[x] ; python_version > '3'"]);
  expect(await pythonEnvironment.create(target(dir.path, { "pyproject.toml": "[tool.x]\n" }))).toEqual([]);
});

test("the configuration names the sources", async () => {
  using dir = tempDir("python");
  const settings = { index: "https://index.example/simple", findLinks: ["/wheels", "https://more.example"], offline: true };
  const step = (await pythonEnvironment.create(target(dir.path, { "requirements.txt": "" }, settings))).at(-1);
  const argv: readonly string[] = step?.argv ?? [];
  expect(argv.slice(argv.indexOf("--find-links"))).toEqual([
    ...["--find-links", "/wheels", "--find-links", "https://more.example"],
    ...["--no-index", "-r", join(dir.path, "requirements.txt")],
  ]);
  expect(step?.env).toMatchObject({ PIP_INDEX_URL: "https://index.example/simple" });
});

test.each([
  ['[project]\ndependencies = ["--index-url=http://evil"]\n', "project.dependencies is no list of requirements"],
  ["[project]\ndependencies = 3\n", "project.dependencies is no list of requirements"],
  ["[project\n", "pyproject.toml can't be read"],
])("%j is refused", async (pyproject, message) => {
  using dir = tempDir("python");
  await expect(Promise.try(() => pythonEnvironment.create(target(dir.path, { "pyproject.toml": pyproject })))).rejects.toThrow(
    message,
  );
});

test("a Python without the venv module, or no uv, is said with what to install", async () => {
  using dir = tempDir("python");
  writePack(dir.path, { python: "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'ensurepip'\" >&2\nexit 1\n" });
  const without = {
    ...target(dir.path, { "requirements.txt": "a" }),
    interpreter: { path: join(dir.path, "python"), version: "3.11.2" },
  };
  const message = `${join(dir.path, "python")} can't make virtual environments: ModuleNotFoundError: No module named 'ensurepip'`;
  await expect(Promise.try(() => pythonEnvironment.create(without))).rejects.toMatchObject({
    message,
    hint: "install uv, or the venv module: apt install python3.11-venv on Debian and Ubuntu",
  });
  if (Bun.which("uv")) return;
  const uv = target(dir.path, { "requirements.txt": "a" }, { installer: "uv" });
  await expect(Promise.try(() => pythonEnvironment.create(uv))).rejects.toThrow("uv is not on the PATH");
});
