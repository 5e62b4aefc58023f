import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import type { Register } from "../groups.ts";
import { statusStyle } from "../text.ts";

interface Runtime {
  ref: string;
  name: string;
  description: string | null;
  available: boolean;
  version: string | null;
  path: string | null;
  reason: string | null;
  versions: { version: string | null; path: string | null }[];
  aliases: string[];
  extensions: string[];
  source: string;
}

export const runtimeCommands: Register = (command, context) => {
  command
    .command("list")
    .description("list the runtimes and whether their interpreters are here")
    .action(async () => {
      const shown = context();
      await showAll(shown, await connect(shown).list<Runtime>("/runtimes"));
    });
  command
    .command("show <ref>")
    .description("show a runtime and its versions; takes names and aliases too")
    .action(async (ref: string) => {
      const shown = context();
      await showOne(shown, await connect(shown).get<Runtime>(`/runtimes/${segment(ref)}`));
    });
  command
    .command("check [ref]")
    .description("look for the interpreters again, after something was installed or removed")
    .action(async (ref: string | undefined) => {
      const shown = context();
      const client = connect(shown);
      // A name that nothing has is said before anything is done.
      const wanted = ref === undefined ? null : await client.get<Runtime>(`/runtimes/${segment(ref)}`);
      const runtimes = await client.post<Runtime[]>("/runtimes/check");
      const checked = wanted && runtimes.find((runtime) => runtime.ref === wanted.ref);
      await (checked ? showOne(shown, checked) : showAll(shown, runtimes));
    });
};

async function showAll(shown: Context, runtimes: readonly Runtime[]): Promise<void> {
  await shown.list(
    runtimes,
    [
      { header: "REF", value: (runtime) => runtime.ref },
      { header: "AVAILABLE", value: (runtime) => (runtime.available ? "yes" : "no"), style: statusStyle },
      { header: "VERSION", value: versionsOf },
      { header: "PATH OR REASON", value: (runtime) => runtime.reason ?? runtime.path, shrinks: true },
    ],
    "no runtimes",
  );
}

async function showOne(shown: Context, runtime: Runtime): Promise<void> {
  await shown.record(runtime, (one) => [
    ["ref", one.ref],
    ["name", one.name],
    ["description", one.description],
    ["aliases", one.aliases.join(", ") || "none"],
    ["endings", one.extensions.join(", ") || "none"],
    ["source", one.source],
    ["available", one.available ? "yes" : "no"],
    ["reason", one.reason],
    ["versions", one.versions.map(({ version, path }) => [version, path].filter(Boolean).join("  ") || "-").join("\n") || "none"],
  ]);
}

function versionsOf({ versions }: Runtime): string {
  return versions.flatMap(({ version }) => version ?? []).join(", ");
}
