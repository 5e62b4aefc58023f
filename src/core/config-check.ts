import { AttuneError, nearest } from "./errors.ts";
import type { HooksPlugin, Plugin, RuntimePlugin, StoragePlugin } from "./plugin.ts";

/**
 * Reads values of a config that nobody has checked yet. `where` is the path of the key, empty for the config itself; each
 * gives undefined for what is not set and throws CONFIG_INVALID, naming `file` and key, for what is something else.
 */
export function configCheck(file: string) {
  function fail(where: string, expected: string, found: unknown): never {
    throw new AttuneError("CONFIG_INVALID", `${where || "the config"} must be ${expected}, not ${describe(found)}`, {
      at: { file },
    });
  }
  return {
    object(value: unknown, where: string, known?: readonly string[]): Record<string, unknown> {
      if (value === undefined) return {};
      if (typeof value !== "object" || value === null || Array.isArray(value)) fail(where, "an object", value);
      for (const key of Object.keys(value)) {
        if (!known || known.includes(key)) continue;
        const near = nearest(key, known);
        throw new AttuneError("CONFIG_INVALID", `unknown key ${where ? `${where}.` : ""}${key}`, {
          at: { file },
          hint: near ? `did you mean ${near}?` : `known keys: ${known.join(", ")}`,
        });
      }
      return value as Record<string, unknown>;
    },
    string(value: unknown, where: string): string | undefined {
      if (value === undefined || typeof value === "string") return value;
      return fail(where, "text", value);
    },
    strings(value: unknown, where: string): string[] | undefined {
      if (value === undefined) return undefined;
      const list = typeof value === "string" ? [value] : value;
      if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) fail(where, "text or a list of texts", value);
      return list;
    },
    boolean(value: unknown, where: string): boolean | undefined {
      if (value === undefined || typeof value === "boolean") return value;
      return fail(where, "true or false", value);
    },
    number(value: unknown, where: string, min: number, max = Number.MAX_SAFE_INTEGER): number | undefined {
      if (value === undefined) return undefined;
      if (typeof value !== "number" || !(value >= min && value <= max)) fail(where, `a number from ${min} to ${max}`, value);
      return value;
    },
    integer(value: unknown, where: string, min: number, max: number): number | undefined {
      if (value === undefined) return undefined;
      if (!Number.isInteger(value) || Number(value) < min || Number(value) > max)
        fail(where, `a whole number from ${min} to ${max}`, value);
      return Number(value);
    },
    oneOf<T extends string>(value: unknown, where: string, words: readonly T[]): T | undefined {
      if (value === undefined) return undefined;
      return words.find((word) => word === value) ?? fail(where, `one of ${words.join(", ")}`, value);
    },
    plugins(value: unknown): (RuntimePlugin | HooksPlugin | string)[] {
      if (value === undefined) return [];
      if (!Array.isArray(value)) return fail("plugins.use", "a list of plugins", value);
      for (const [index, item] of value.entries()) {
        if (typeof item === "string") continue;
        const { kind, name, api } = (item ?? {}) as Partial<Plugin>;
        if ((kind !== "runtime" && kind !== "hooks") || typeof name !== "string") {
          fail(
            `plugins.use[${index}]`,
            "the name of an npm package, or a plugin of kind runtime or hooks with a name",
            kind ?? item,
          );
        }
        if (api !== 1) fail(`plugins.use[${index}].api`, "1", api);
      }
      return value;
    },
    plugin(value: unknown, kind: "storage" | "transport"): Plugin | null {
      if (value === undefined) return null;
      if (
        typeof value !== "object" ||
        value === null ||
        (value as Plugin).kind !== kind ||
        typeof (value as StoragePlugin).open !== "function"
      ) {
        fail(kind, `a ${kind} plugin, such as ${kind === "storage" ? "postgres()" : "nats()"}`, value);
      }
      return value as Plugin;
    },
  };
}

function describe(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
