import type { Command } from "commander";
import { AttuneError } from "../../core/errors.ts";
import type { Json } from "../../core/plugin.ts";
import type { FlatSchema } from "../../core/registry.ts";
import { connect, segment } from "../client.ts";
import type { Context } from "../context.ts";
import { readParameters } from "../parameters.ts";

interface Config {
  schema: FlatSchema;
  entries: { key: string; value: Json; origin: string | null; secret: boolean; problem: string | null }[];
}

const help = `
Values are read in the type that conf_schema gives the key; key=@file reads a file, key=- standard input, without
the line break at its end. What is set wins over attune.config.ts and pack.yaml, takes effect at once and stays until it is
unset.

  attune pack config mypack
  attune pack config mypack set region=eu-1 retries=3
  attune pack config mypack set token=- < token.txt
  attune pack config mypack unset retries`;

export function addConfig(command: Command, context: () => Context): void {
  command
    .command("config <ref> [verb] [keys...]")
    .usage("[options] <ref> [show | set <key=value...> | unset <key...>]")
    .description("show or change what a pack is configured with")
    .addHelpText("after", help)
    .action(async (ref: string, verb: string | undefined, keys: string[]) => {
      const shown = context();
      const client = connect(shown);
      const path = `/packs/${segment(ref)}/config`;
      const some = (what: string) => {
        if (keys.length === 0) throw new AttuneError("USAGE", `${verb} needs at least one ${what}`);
      };
      switch (verb ?? "show") {
        case "show":
          return show(shown, await client.get<Config>(path));
        case "set": {
          some("key=value");
          const { schema } = await client.get<Config>(path);
          const values = await readParameters({ pairs: keys, json: undefined, flag: "", chomp: true }, schema, shown.io);
          return show(shown, await client.patch<Config>(path, { values }));
        }
        case "unset": {
          some("key");
          let config: Config | undefined;
          for (const key of keys) config = await client.delete<Config>(`${path}/${segment(key)}`);
          return show(shown, config ?? (await client.get<Config>(path)));
        }
        default:
          throw new AttuneError("USAGE", `there is no ${verb}`, { hint: "it is show, set or unset" });
      }
    });
}

async function show(shown: Context, { entries }: Config): Promise<void> {
  await shown.list(
    entries,
    [
      { header: "KEY", value: (entry) => entry.key },
      { header: "VALUE", value: (entry) => (typeof entry.value === "string" ? entry.value : JSON.stringify(entry.value)) },
      { header: "FROM", value: (entry) => entry.origin },
      { header: "PROBLEM", value: (entry) => entry.problem, shrinks: true },
    ],
    "no configuration",
  );
}
