import type { RuntimePlugin } from "../../core/plugin.ts";

export const native: RuntimePlugin = {
  kind: "runtime",
  name: "native",
  api: 1,
  description: "Executable files, started as they are",
  aliases: ["builtin", "standalone"],
  launch: ({ entrypoint }) => ({ argv: [entrypoint] }),
};
