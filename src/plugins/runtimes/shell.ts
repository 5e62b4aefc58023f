import { existsSync } from "node:fs";
import type { RuntimePlugin } from "../../core/plugin.ts";

export const shell: RuntimePlugin = {
  kind: "runtime",
  name: "shell",
  api: 1,
  description: "Shell scripts, run by bash when it is there and by sh otherwise",
  aliases: ["bash", "sh"],
  extensions: [".sh", ".bash"],
  probe() {
    const path = ["/bin/bash", "/bin/sh"].find((candidate) => existsSync(candidate));
    if (!path) throw new Error("neither /bin/bash nor /bin/sh exists");
    return { path };
  },
  launch: ({ entrypoint, inline, interpreter }) => {
    const program = interpreter.path ?? "/bin/sh";
    return { argv: inline ? [program, "-c", entrypoint] : [program, entrypoint] };
  },
};
