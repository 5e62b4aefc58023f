import { expect, test } from "bun:test";
import { defineConfig, definePlugin, defineRuntime } from "../../src/sdk/index.ts";

test("a runtime gets its kind", () => {
  const runtime = defineRuntime({
    name: "awk",
    api: 1,
    extensions: [".awk"],
    launch: ({ entrypoint }) => ({ argv: ["awk", "-f", entrypoint] }),
  });
  expect(runtime).toMatchObject({ kind: "runtime", name: "awk", api: 1, extensions: [".awk"] });
});

test("configs and plugins come back as they are", () => {
  const config = { dataDir: "data" };
  const plugin = { kind: "hooks", name: "mine", api: 1, hooks: {} } as const;
  expect(defineConfig(config)).toBe(config);
  expect(definePlugin(plugin)).toBe(plugin);
});
