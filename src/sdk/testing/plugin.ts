import type { Plugin } from "../../core/plugin.ts";
import type { Case } from "./case.ts";
import { hooksContract } from "./hooks.ts";
import { type RuntimeOptions, runtimeContract } from "./runtime.ts";
import { setupContract } from "./setup.ts";
import { storageContract } from "./storage.ts";
import { transportContract } from "./transport.ts";

/** Everything that a plugin promises by its kind and its members. Its shape must have been checked. */
export function pluginContract(plugin: Plugin, options: RuntimeOptions = {}): readonly Case[] {
  const hooks = plugin.hooks ? hooksContract(plugin.hooks) : [];
  switch (plugin.kind) {
    case "runtime":
      return [...runtimeContract(plugin, options), ...setupContract(plugin), ...hooks];
    case "storage":
      return [...storageContract((context) => plugin.open(context)), ...hooks];
    case "transport":
      return [...transportContract((context) => plugin.open(context)), ...hooks];
    case "hooks":
      return [...setupContract(plugin), ...hooks];
  }
}
