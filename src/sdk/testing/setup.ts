import type { HooksPlugin, RuntimePlugin } from "../../core/plugin.ts";
import { type Case, makeCase } from "./case.ts";
import { withOpened } from "./opened.ts";

/** What `setup` promises: it comes to its end, and so do the cleanups of what it acquired. */
export function setupContract(plugin: HooksPlugin | RuntimePlugin): readonly Case[] {
  if (!plugin.setup) return [];
  return [
    makeCase(
      {
        name: "setup ends, and so does what it acquired, with its scope",
        member: "setup",
        hint: "give up what was acquired in context.scope.defer(...), and let long work go on in context.scope.every(...)",
      },
      (trial) =>
        withOpened(
          trial,
          async (context) => plugin.setup?.(context),
          async () => {},
        ),
    ),
  ];
}
