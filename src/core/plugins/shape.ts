import { nearest } from "../errors.ts";
import { hookNames, unknownHook } from "../hooks.ts";
import type { Hooks, Plugin } from "../plugin.ts";
import { isObject } from "../values.ts";

/** What is wrong with a plugin's value. `word` stands in the source where the mistake is. */
export interface ShapeMistake {
  readonly message: string;
  readonly hint: string | null;
  readonly word: string | null;
}

type Check = (value: unknown) => string | null;

const text: Check = (value) => (typeof value === "string" ? null : "text");
const callable: Check = (value) => (typeof value === "function" ? null : "a function");
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === "string" && item !== "") ? null : "a list of texts";
const recipe: Check = (value) =>
  isObject(value) && texts(value["manifests"]) === null && callable(value["create"]) === null
    ? null
    : "an object with `manifests`, a list of texts, and `create`, a function";

const base: Readonly<Record<string, Check>> = {
  kind: () => null,
  name: () => null,
  api: () => null,
  description: text,
  hooks: (value) => (isObject(value) ? null : "an object of functions"),
};
const members: Readonly<Record<Plugin["kind"], Readonly<Record<string, Check>>>> = {
  runtime: {
    ...base,
    aliases: texts,
    extensions: texts,
    probe: callable,
    launch: callable,
    environment: recipe,
    setup: callable,
  },
  hooks: { ...base, setup: callable },
  storage: { ...base, open: callable },
  transport: { ...base, open: callable },
};
const required: Readonly<Record<Plugin["kind"], readonly string[]>> = {
  runtime: ["launch"],
  hooks: ["hooks"],
  storage: ["open"],
  transport: ["open"],
};

/** The kind of a plugin, or undefined for another word. */
export function kindOf(value: unknown): Plugin["kind"] | undefined {
  return (["runtime", "hooks", "storage", "transport"] as const).find((kind) => kind === value);
}

/** Checks what a plugin's file exports by default against the contract. Nothing of it is called. */
export function checkShape(value: unknown): { readonly plugin: Plugin } | { readonly mistake: ShapeMistake } {
  const mistake = mistakeOf(value);
  return mistake ? { mistake } : { plugin: value as Plugin };
}

function mistakeOf(value: unknown): ShapeMistake | null {
  if (!isObject(value)) {
    const message = value === undefined || value === null ? "there is no default export" : "the default export is no plugin";
    return wrong(message, "default", 'export default defineRuntime({ name: "...", api: 1, ... })');
  }
  const kind = kindOf(value["kind"]);
  if (!kind) {
    const hint = "export it through defineRuntime, or write kind: runtime, hooks, storage or transport";
    return wrong(`\`kind\` is ${shown(value["kind"])}`, "kind" in value ? "kind" : "default", hint);
  }
  const { name, api } = value;
  if (typeof name !== "string" || !/^[a-z][a-z0-9_-]{0,63}$/.test(name)) {
    const hint = "lower case letters, digits, - and _, at most 64, the first a letter";
    return wrong(`\`name\` is ${shown(name)}`, "name" in value ? "name" : "default", hint);
  }
  if (api !== 1) {
    const hint = "write api: 1, the version of the contract that this attune knows";
    return wrong(`\`api\` is ${shown(api)}`, "api" in value ? "api" : "default", hint);
  }
  const known = members[kind];
  for (const [key, given] of Object.entries(value)) {
    const check = Object.hasOwn(known, key) ? known[key] : undefined;
    if (!check) {
      const near = nearest(key, Object.keys(known));
      const hint = near ? `did you mean ${near}?` : `a plugin of kind ${kind} has ${Object.keys(known).join(", ")}`;
      return wrong(`unknown member \`${key}\``, key, hint);
    }
    const expected = given === undefined ? null : check(given);
    if (expected) return wrong(`\`${key}\` must be ${expected}, not ${shown(given)}`, key, null);
  }
  const missing = required[kind].find((key) => value[key] === undefined);
  if (missing) return wrong(`a plugin of kind ${kind} needs \`${missing}\``, "default", null);
  return hooksMistake((value["hooks"] ?? {}) as Hooks);
}

function hooksMistake(hooks: Hooks): ShapeMistake | null {
  for (const [name, handler] of Object.entries(hooks)) {
    if (!hookNames.has(name)) return wrong(`there is no hook \`${name}\``, name, unknownHook(name));
    if (typeof handler !== "function") return wrong(`hook \`${name}\` must be a function, not ${shown(handler)}`, name, null);
  }
  return null;
}

function wrong(message: string, word: string, hint: string | null): ShapeMistake {
  return { message, hint, word };
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (Array.isArray(value)) return "a list";
  return value === null || typeof value === "number" || typeof value === "boolean" ? String(value) : `a ${typeof value}`;
}
