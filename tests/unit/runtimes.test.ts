import { expect, test } from "bun:test";
import { silentLogger } from "../../src/core/log.ts";
import type { RuntimePlugin } from "../../src/core/plugin.ts";
import type { Action, Runtime } from "../../src/core/registry.ts";
import { refusals, runtimeLimits } from "../../src/core/runtimes/limits.ts";
import { runtimeFromPlugin, runtimeNames, usable, wordsOf } from "../../src/core/runtimes/runtimes.ts";
import { thrownBy } from "../support/thrown.ts";

const from = (namespace: string) => ({ namespace, source: "built-in", revision: "1" });
const plugin = (probe?: RuntimePlugin["probe"]): RuntimePlugin => ({
  kind: "runtime",
  name: "x",
  api: 1,
  launch: ({ entrypoint }) => ({ argv: [entrypoint] }),
  ...(probe ? { probe } : {}),
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

async function runtime(
  ref: string,
  aliases: string[] = [],
  versions: string[] = ["3.11.2", "3.13.1", "3.12.4"],
): Promise<Runtime> {
  const [namespace = "", name = ""] = ref.split(".");
  const [first, ...others] = versions.map((version) => ({ version, path: `/opt/${version}` }));
  const probed = plugin(() => (first ? [first, ...others] : {}));
  return runtimeFromPlugin({ ...probed, name, aliases }, from(namespace), silentLogger);
}

test("refs, names and aliases lead to a runtime whatever their case; a word claimed twice is refused", async () => {
  const names = runtimeNames([await runtime("core.Python", ["py", "PYTHON"]), await runtime("p.awk")]);
  expect(Object.fromEntries(names)).toEqual({
    "core.python": "core.Python",
    python: "core.Python",
    py: "core.Python",
    "p.awk": "p.awk",
    awk: "p.awk",
  });
  const [one, other] = [await runtime("core.python", ["py"]), await runtime("p.mine", ["PY"])];
  expect(thrownBy(() => runtimeNames([one, other]))).toMatchObject({
    code: "PLUGIN_INVALID",
    message: "runtime p.mine claims the name py, which core.python has",
  });
});

const component = (runtime_version: string | null, kind: "action" | "sensor" = "action") =>
  ({ kind, runtime: "core.python", runtime_version }) as Action;
const registryOf = (...runtimes: Runtime[]) => ({ runtimes: new Map(runtimes.map((one) => [one.ref, one])) });

test.each([
  [null, "3.11.2"],
  ["3.12", "3.12.4"],
  ["3", "3.13.1"],
  ["~3.11", "3.11.2"],
  [">=3.10,<3.13", "3.12.4"],
  [">=3.10, <3.12 || 3.13.1", "3.13.1"],
  ["3.11.2", "3.11.2"],
])("runtime_version %p is given %p", async (range, version) => {
  expect(usable(registryOf(await runtime("core.python")), component(range))).toMatchObject({
    available: true,
    interpreter: { version, path: `/opt/${version}` },
  });
});

test("a range that nothing satisfies is answered with what is there", async () => {
  const reason = (registry: ReturnType<typeof registryOf>, range: string) => {
    const found = usable(registry, component(range));
    return found.available ? null : found.reason;
  };
  expect(reason(registryOf(await runtime("core.python")), "~3.9")).toBe(
    "runtime unavailable: no python satisfies ~3.9 (found 3.11.2, 3.13.1, 3.12.4)",
  );
  expect(reason(registryOf(await runtime("core.python", [], [])), "3")).toBe(
    "runtime unavailable: no python satisfies 3 (its version is not known)",
  );
  expect(reason(registryOf(await runtime("core.python", [], ["3.14.0rc1"])), ">=3.14.0-0")).toBeNull();
  expect(reason(registryOf(), "3")).toBe("runtime unavailable: nothing provides core.python");
});

test("the operator's lists are separate for actions and sensors, and say where they stand", async () => {
  const python = await runtime("core.python", ["py"]);
  const limited = (actions: string[] | null, sensors: string[] | null, env = {}) => ({
    ...python,
    refused: refusals(runtimeLimits({ actions, sensors }, env), wordsOf(python)),
  });
  const answer = (one: Runtime, kind: "action" | "sensor") => {
    const found = usable(registryOf(one), component(null, kind));
    return found.available || found.reason;
  };
  const onlyActions = limited(["PY"], ["shell"], { ATTUNE_SENSOR_RUNTIMES: "shell" });
  expect(answer(onlyActions, "action")).toBe(true);
  expect(answer(onlyActions, "sensor")).toBe("runtime unavailable: core.python: not in ATTUNE_SENSOR_RUNTIMES");
  const onlySensors = limited([], null);
  expect(answer(onlySensors, "action")).toBe("runtime unavailable: core.python: not in runtimes.actions of the configuration");
  expect(answer(onlySensors, "sensor")).toBe(true);
});
