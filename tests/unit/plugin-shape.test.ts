import { expect, test } from "bun:test";
import { checkShape } from "../../src/core/plugins/shape.ts";

const launch = () => ({ argv: ["awk"] });
const runtime = (more: object = {}) => ({ kind: "runtime", name: "awk", api: 1, launch, ...more });

test.each<[string, object]>([
  [
    "a runtime with everything",
    runtime({ aliases: ["gawk"], extensions: [".awk"], probe() {}, setup() {}, description: "", hooks: {} }),
  ],
  ["a runtime with an environment", runtime({ environment: { manifests: ["x.txt"], create: () => [] } })],
  ["members that are undefined", runtime({ probe: undefined, hooks: undefined })],
  ["hooks", { kind: "hooks", name: "h", api: 1, hooks: { "event:accept": () => null, "daemon:ready"() {} } }],
  ["a storage", { kind: "storage", name: "s", api: 1, open() {} }],
  ["a transport", { kind: "transport", name: "t", api: 1, open() {} }],
])("%s is a plugin", (_, value) => {
  expect(checkShape(value)).toEqual({ plugin: value } as never);
});

test.each<[string, unknown, string, string | null, string | null]>([
  ["nothing", null, "there is no default export", "default", 'export default defineRuntime({ name: "...", api: 1, ... })'],
  [
    "a function",
    launch,
    "the default export is no plugin",
    "default",
    'export default defineRuntime({ name: "...", api: 1, ... })',
  ],
  ["no kind", { name: "a", api: 1 }, "`kind` is missing", "default", expect.any(String) as never],
  ["an unknown kind", { kind: "runtimes" }, '`kind` is "runtimes"', "kind", expect.any(String) as never],
  ["a name with capitals", runtime({ name: "Awk" }), '`name` is "Awk"', "name", expect.any(String) as never],
  [
    "a long name",
    runtime({ name: "a".repeat(65) }),
    expect.stringContaining("`name` is") as never,
    "name",
    expect.any(String) as never,
  ],
  ["no api", { kind: "runtime", name: "awk" }, "`api` is missing", "default", expect.any(String) as never],
  ["another api", runtime({ api: "1" }), '`api` is "1"', "api", expect.any(String) as never],
  ["no launch", { ...runtime(), launch: undefined }, "a plugin of kind runtime needs `launch`", "default", null],
  ["launch as a list", runtime({ launch: ["awk"] }), "`launch` must be a function, not a list", "launch", null],
  ["a misspelt member", runtime({ lanch: launch }), "unknown member `lanch`", "lanch", "did you mean launch?"],
  [
    "a member of another kind",
    { kind: "hooks", name: "h", api: 1, hooks: {}, open() {} },
    "unknown member `open`",
    "open",
    "a plugin of kind hooks has kind, name, api, description, hooks, setup",
  ],
  ["an inherited word", runtime({ constructor: 1 }), "unknown member `constructor`", "constructor", expect.any(String) as never],
  ["extensions as text", runtime({ extensions: ".awk" }), '`extensions` must be a list of texts, not ".awk"', "extensions", null],
  ["an empty alias", runtime({ aliases: [""] }), "`aliases` must be a list of texts, not a list", "aliases", null],
  [
    "half a recipe",
    runtime({ environment: { manifests: [] } }),
    expect.stringContaining("`environment` must be an object with") as never,
    "environment",
    null,
  ],
  [
    "an unknown hook",
    runtime({ hooks: { "event:acepted"() {} } }),
    "there is no hook `event:acepted`",
    "event:acepted",
    "did you mean event:accepted?",
  ],
  [
    "a hook named as what objects have",
    runtime({ hooks: { toString() {} } }),
    "there is no hook `toString`",
    "toString",
    expect.any(String) as never,
  ],
  [
    "a hook that is no function",
    runtime({ hooks: { "daemon:ready": 5 } }),
    "hook `daemon:ready` must be a function, not 5",
    "daemon:ready",
    null,
  ],
])("%s is named", (_, value, message, word, hint) => {
  expect(checkShape(value)).toEqual({ mistake: { message, word, hint } });
});
