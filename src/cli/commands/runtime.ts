import { connect } from "../client.ts";
import type { Register } from "../groups.ts";
import { statusStyle } from "../text.ts";

interface Runtime {
  ref: string;
  name: string;
  available: boolean;
  version: string | null;
  path: string | null;
  reason: string | null;
}

export const runtimeCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list the runtimes and whether their interpreters are here")
    .action(async () => {
      const shown = context();
      const runtimes = await connect(shown).list<Runtime>("/runtimes");
      await shown.list(
        runtimes,
        [
          { header: "REF", value: (runtime) => runtime.ref },
          { header: "AVAILABLE", value: (runtime) => (runtime.available ? "yes" : "no"), style: statusStyle },
          { header: "VERSION", value: (runtime) => runtime.version },
          { header: "PATH OR REASON", value: (runtime) => runtime.path ?? runtime.reason, shrinks: true },
        ],
        "no runtimes",
      );
    });
};
