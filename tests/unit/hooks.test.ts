import { expect, test } from "bun:test";
import { AttuneError } from "../../src/core/errors.ts";
import { createHooks } from "../../src/core/hooks.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { EventMessage, Hooks, Logger } from "../../src/core/plugin.ts";
import { thrownBy } from "../support/thrown.ts";

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

test("filters run in the order of registration, each on what the one before returned", async () => {
  const hooks = createHooks(silentLogger);
  hooks.register("one", { "event:accept": adds("a") });
  const undo = hooks.register("two", { "event:accept": async (given) => adds("b")(given) });
  hooks.register("three", { "event:accept": adds("c") });
  expect((await hooks.filter("event:accept", event))?.payload).toEqual({ order: "abc" });
  undo();
  undo();
  expect((await hooks.filter("event:accept", event))?.payload).toEqual({ order: "ac" });
});

test("a filter that returns null drops the value, and later ones are not asked", async () => {
  const hooks = createHooks(silentLogger);
  let asked = false;
  hooks.register("dropper", { "event:accept": () => null });
  hooks.register("later", {
    "event:accept": (given) => {
      asked = true;
      return given;
    },
  });
  expect(await hooks.filter("event:accept", event)).toBeNull();
  expect(asked).toBe(false);
});

test("a filter that returns nothing, or throws, fails with the names of plugin and hook", async () => {
  const forgetful = createHooks(silentLogger);
  forgetful.register("forgetful", { "event:accept": (() => undefined) as unknown as Required<Hooks>["event:accept"] });
  await expect(forgetful.filter("event:accept", event)).rejects.toMatchObject({
    code: "PLUGIN_FAILED",
    message: "hook event:accept of plugin forgetful returned undefined",
  });

  const broken = createHooks(silentLogger);
  broken.register("broken", {
    "event:accept": () => {
      throw new TypeError("x is not a function");
    },
  });
  const failure = await broken.filter("event:accept", event).catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({
    code: "PLUGIN_FAILED",
    message: "hook event:accept of plugin broken failed: x is not a function",
  });
  expect((failure as Error).cause).toBeInstanceOf(TypeError);
});

test("observers run side by side; one that throws and one that hangs are reported and hold nobody up", async () => {
  const { log, errors } = recording();
  const hooks = createHooks(log, 20);
  const told: string[] = [];
  hooks.register("broken", {
    "daemon:ready": () => {
      throw new Error("no screen");
    },
  });
  hooks.register("hanging", { "daemon:ready": () => new Promise(() => {}) });
  hooks.register("good", { "daemon:ready": ({ url }) => void told.push(url) });
  await hooks.notify("daemon:ready", { url: "http://here" });
  expect(told).toEqual(["http://here"]);
  expect(errors.sort()).toEqual([
    "hook daemon:ready of plugin broken failed: no screen",
    "hook daemon:ready of plugin hanging failed: no answer within 20 ms",
  ]);
});

test("an unknown hook is refused with the nearest name, and none of that plugin's handlers stays", async () => {
  const hooks = createHooks(silentLogger);
  const misspelt = { "event:accept": () => null, "event:acepted": () => {} } as unknown as Hooks;
  expect(thrownBy(() => hooks.register("typo", misspelt))).toMatchObject({
    code: "PLUGIN_INVALID",
    message: "plugin typo names an unknown hook event:acepted",
    hint: "did you mean event:accepted?",
  });
  expect(await hooks.filter("event:accept", event)).toEqual(event);
  for (const name of ["toString", "constructor"]) {
    expect(thrownBy(() => hooks.register("odd", { [name]: () => {} } as unknown as Hooks))).toBeInstanceOf(AttuneError);
  }
  expect(thrownBy(() => hooks.register("odd", { "daemon:ready": 5 } as unknown as Hooks))).toMatchObject({
    code: "PLUGIN_INVALID",
  });
});
