import { expect, test } from "bun:test";
import { silentLogger } from "../../src/core/log.ts";
import type { LaunchTarget, RuntimePlugin } from "../../src/core/plugin.ts";
import type { Runtime, RuntimeDefinition } from "../../src/core/registry.ts";
import { runtimeFromDefinition, runtimeFromPlugin, runtimeNames } from "../../src/core/runtimes.ts";
import { thrownBy } from "../support/thrown.ts";

const target: LaunchTarget = {
  kind: "action",
  ref: "p.a",
  entrypoint: "/p/actions/a.x",
  inline: false,
  pack: { ref: "p", dir: "/p" },
  interpreter: {},
  environment: null,
};
const from = (namespace: string) => ({ namespace, source: "built-in", revision: "1" });
const plugin = (probe?: RuntimePlugin["probe"]): RuntimePlugin => ({
  kind: "runtime",
  name: "x",
  api: 1,
  launch: ({ entrypoint }) => ({ argv: [entrypoint] }),
  ...(probe ? { probe } : {}),
});
const definition = (interpreter: RuntimeDefinition["execution_config"]): RuntimeDefinition => ({
  ref: "p.x",
  pack: "p",
  name: "x",
  description: null,
  aliases: [],
  distributions: {},
  execution_config: interpreter,
  file: "runtimes/x.yaml",
  hash: "1",
});

test("a plugin's probe decides whether its runtime is there, with the reason when it is not", async () => {
  expect(await runtimeFromPlugin(plugin(), from("local"), silentLogger)).toMatchObject({
    ref: "local.x",
    state: { available: true, interpreters: [{}] },
  });
  const found = plugin(() => ({ path: "/usr/bin/x", version: "1.2" }));
  expect((await runtimeFromPlugin(found, from("core"), silentLogger)).state).toEqual({
    available: true,
    interpreters: [{ path: "/usr/bin/x", version: "1.2" }],
  });
  const old = plugin(() => Promise.reject(new Error("x 0.9 is too old\nat line 1")));
  expect((await runtimeFromPlugin(old, from("core"), silentLogger)).state).toEqual({
    available: false,
    reason: "x 0.9 is too old",
  });
  const missing = plugin(() => void Bun.spawnSync(["no-such-interpreter"]) as never);
  expect((await runtimeFromPlugin(missing, from("core"), silentLogger)).state).toEqual({
    available: false,
    reason: "its interpreter is not installed",
  });
});

test("a declared interpreter is looked up, and starts the file with its arguments", async () => {
  const shell = runtimeFromDefinition(definition({ interpreter: { binary: "sh", args: ["-e", 5], file_extension: ".x" } }));
  expect(shell).toMatchObject({ extensions: [".x"], state: { available: true, interpreters: [{ path: Bun.which("sh")! }] } });
  expect(await shell.launch(target)).toEqual({ argv: [Bun.which("sh")!, "-e", "5", "/p/actions/a.x"] });

  const missing = runtimeFromDefinition(definition({ interpreter: { binary: "no-such-interpreter" } }));
  expect(missing.state).toEqual({ available: false, reason: "no-such-interpreter is not on the PATH" });
});

test.each([
  [{}],
  [{ interpreter: { binary: "" } }],
  [{ interpreter: { binary: "native" } }],
  [{ interpreter: { binary: "none" } }],
  [{ interpreter: [] }],
])("without an interpreter the file itself is run: %j", async (config) => {
  const native = runtimeFromDefinition(definition(config));
  expect(native.state).toEqual({ available: true, interpreters: [{}] });
  expect(await native.launch(target)).toEqual({ argv: ["/p/actions/a.x"] });
});

test("refs, names and aliases lead to a runtime whatever their case; a word claimed twice is refused", () => {
  const runtime = (ref: string, name: string, aliases: string[]): Runtime => ({
    ...runtimeFromDefinition({ ...definition({}), ref, name, aliases }),
  });
  const names = runtimeNames([runtime("core.python", "Python", ["py", "PYTHON"]), runtime("p.awk", "awk", [])]);
  expect(Object.fromEntries(names)).toEqual({
    "core.python": "core.python",
    python: "core.python",
    py: "core.python",
    "p.awk": "p.awk",
    awk: "p.awk",
  });
  expect(thrownBy(() => runtimeNames([runtime("core.python", "python", ["py"]), runtime("p.mine", "PY", [])]))).toMatchObject({
    code: "PLUGIN_INVALID",
    message: "runtime p.mine claims the name py, which core.python has",
  });
});
