import { expect, test } from "bun:test";
import { createHooks } from "../../src/core/hooks.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { EventMessage, Hooks, JsonObject, Launch, LaunchTarget, Logger } from "../../src/core/plugin.ts";

const event: EventMessage = { id: "1", trigger: "p.t", sensor: null, rule: null, at: "2026-01-01T00:00:00Z", payload: {} };
const adds =
  (word: string) =>
  (given: EventMessage): EventMessage => ({
    ...given,
    payload: { ...given.payload, order: `${given.payload["order"] ?? ""}${word}` },
  });

function recording(): { log: Logger; errors: string[] } {
  const errors: string[] = [];
  return { errors, log: { ...silentLogger, error: (message) => void errors.push(message) } };
}

test("filters run in the order given, each on what the one before returned; another list takes their place", async () => {
  const hooks = createHooks(silentLogger);
  const a = { plugin: "one", hooks: { "event:accept": adds("a") } };
  const b = { plugin: "two", hooks: { "event:accept": async (given: EventMessage) => adds("b")(given) } };
  const c = { plugin: "three", hooks: { "event:accept": adds("c") } };
  hooks.use([a, b, c]);
  expect(hooks.has("event:accept")).toBe(true);
  expect((await hooks.filter("event:accept", event))?.payload).toEqual({ order: "abc" });
  hooks.use([c, a]);
  expect((await hooks.filter("event:accept", event))?.payload).toEqual({ order: "ca" });
  hooks.use([]);
  expect(hooks.has("event:accept")).toBe(false);
  expect(await hooks.filter("event:accept", event)).toBe(event);
});

test("a value that is on its way when the list changes passes the filters it began with", async () => {
  const hooks = createHooks(silentLogger);
  const gate = Promise.withResolvers<void>();
  const slow = async (given: EventMessage) => {
    await gate.promise;
    return adds("a")(given);
  };
  hooks.use([
    { plugin: "slow", hooks: { "event:accept": slow } },
    { plugin: "next", hooks: { "event:accept": adds("b") } },
  ]);
  const passing = hooks.filter("event:accept", event);
  hooks.use([]);
  gate.resolve();
  expect((await passing)?.payload).toEqual({ order: "ab" });
});

test("a filter that returns null drops the value, and later ones are not asked", async () => {
  const hooks = createHooks(silentLogger);
  let asked = false;
  const later = (given: EventMessage) => {
    asked = true;
    return given;
  };
  hooks.use([
    { plugin: "dropper", hooks: { "event:accept": () => null } },
    { plugin: "later", hooks: { "event:accept": later } },
  ]);
  expect(await hooks.filter("event:accept", event)).toBeNull();
  expect(asked).toBe(false);
});

const planOf = (parameters: JsonObject) => ({ id: "1", action: "p.a", rule: null, event: null, parameters });

test("null for an execution or a launch refuses it, in the name of the plugin", async () => {
  const hooks = createHooks(silentLogger);
  hooks.use([{ plugin: "guard", hooks: { "execution:plan": () => null } }]);
  await expect(hooks.plan(planOf({}), (values) => values)).rejects.toMatchObject({
    code: "REFUSED",
    message: "hook execution:plan of plugin guard refused it",
  });
});

test.each<[keyof Hooks, unknown, string]>([
  ["event:accept", undefined, "nothing"],
  ["event:accept", { id: 5 }, "what is no event with id and payload"],
  ["event:accept", "event", "what is no event with id and payload"],
  ["execution:plan", { action: "p.a" }, "what is no plan with action and parameters"],
  ["process:launch", { argv: [] }, "what has no argv, the list of program and arguments"],
  ["process:launch", { argv: ["sh"], env: { A: 1 } }, 'what has an env in which "A" is no text without NUL'],
])("a filter of %s that returns %j is named with its place", async (hook, returned, mistake) => {
  const hooks = createHooks(silentLogger);
  const at = { file: "/plugins/forgetful.ts", line: 3, column: 5 };
  const handlers = { [hook]: () => returned } as Hooks;
  hooks.use([{ plugin: "forgetful", hooks: handlers, place: (_error, word) => (word === hook ? at : null) }]);
  const asked =
    hook === "execution:plan"
      ? hooks.plan(planOf({}), (values) => values)
      : hooks.filter(hook as "process:launch", { argv: ["sh"] } as Launch, {} as LaunchTarget);
  await expect(asked).rejects.toMatchObject({
    code: "PLUGIN_FAILED",
    message: `hook ${hook} of plugin forgetful returned ${mistake}`,
    at,
    hint: "a filter returns the value, changed or not, or null to drop it",
  });
});

test("the parameters that each filter of a plan gives are checked, and one that spoils them is named", async () => {
  const hooks = createHooks(silentLogger);
  const seen: JsonObject[] = [];
  const add = (word: string): Hooks => ({
    "execution:plan"(plan) {
      seen.push({ ...plan.parameters });
      plan.parameters[word] = 1;
      return plan;
    },
  });
  const check = (values: JsonObject) => {
    if ("bad" in values) throw new Error("`bad` is not known");
    return { checked: true, ...values };
  };
  hooks.use([
    { plugin: "a", hooks: add("a") },
    { plugin: "b", hooks: add("b") },
  ]);
  expect(await hooks.plan(planOf({ n: 1 }), check)).toEqual({ n: 1, checked: true, a: 1, b: 1 });
  expect(seen).toEqual([{ n: 1 }, { n: 1, checked: true, a: 1 }]);

  const at = { file: "/spoiler.ts", line: 2, column: 3 };
  hooks.use([
    { plugin: "a", hooks: add("a") },
    { plugin: "spoiler", hooks: add("bad"), place: () => at },
    { plugin: "b", hooks: add("b") },
  ]);
  await expect(hooks.plan(planOf({}), check)).rejects.toMatchObject({
    code: "PLUGIN_FAILED",
    message: "hook execution:plan of plugin spoiler returned parameters that do not fit p.a: `bad` is not known",
    at,
  });
});

test("a filter that throws fails with the names of plugin and hook and the place of the error", async () => {
  const hooks = createHooks(silentLogger);
  const thrown = new TypeError("x is not a function");
  const handlers: Hooks = {
    "event:accept": () => {
      throw thrown;
    },
  };
  hooks.use([{ plugin: "broken", hooks: handlers, place: (error) => (error === thrown ? { file: "/b.ts", line: 1 } : null) }]);
  const failure = await hooks.filter("event:accept", event).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: "PLUGIN_FAILED",
    message: "hook event:accept of plugin broken failed: x is not a function",
    at: { file: "/b.ts", line: 1 },
    cause: thrown,
  });
});

test("observers run side by side; one that throws and one that hangs are reported and hold nobody up", async () => {
  const { log, errors } = recording();
  const hooks = createHooks(log, 20);
  const told: string[] = [];
  const fails = () => {
    throw new Error("no screen");
  };
  hooks.use([
    { plugin: "broken", hooks: { "daemon:ready": fails }, place: () => ({ file: "/b.ts", line: 2, column: 3 }) },
    { plugin: "hanging", hooks: { "daemon:ready": () => new Promise(() => {}) } },
    { plugin: "good", hooks: { "daemon:ready": ({ url }) => void told.push(url) } },
  ]);
  await hooks.notify("daemon:ready", { url: "http://here" });
  expect(told).toEqual(["http://here"]);
  expect(errors.sort()).toEqual([
    "/b.ts:2:3: hook daemon:ready of plugin broken failed: no screen",
    "hook daemon:ready of plugin hanging failed: no answer within 20 ms",
  ]);
});

test("who watches is told which hook is being called, and that it has returned", async () => {
  const calls: (string | null)[] = [];
  const hooks = createHooks(silentLogger, 1_000, (what) => void calls.push(what));
  hooks.use([{ plugin: "p", hooks: { "daemon:ready": () => void calls.push("inside") } }]);
  await hooks.notify("daemon:ready", { url: "" });
  expect(calls).toEqual(["hook daemon:ready of plugin p", "inside", null]);
});
