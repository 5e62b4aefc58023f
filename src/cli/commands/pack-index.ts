import type { Command } from "commander";
import type { IndexedPack, PackIndex } from "../../core/install/index-file.ts";
import type { Context } from "../context.ts";
import { collect } from "../options.ts";

interface Listed {
  readonly name: string;
  /** Newest first. */
  readonly versions: readonly string[];
  readonly description: string | null;
  readonly tags: readonly string[];
  readonly index: string;
}

/** Adds `index list` and `index search`. */
export function addIndex(command: Command, context: () => Context): void {
  const group = command.command("index").description("what can be installed by name: list, search").helpCommand(false);
  const place = ["--index <place>", "path or URL of an index (ATTUNE_PACK_INDEX)"] as const;
  group
    .command("list")
    .description("list all packs of the index")
    .option(...place, collect)
    .action(({ index }: { index?: string[] }) => show(context(), index, () => true));
  group
    .command("search <word>")
    .description("list those with the word in name, description or tags")
    .option(...place, collect)
    .action((word: string, { index }: { index?: string[] }) =>
      show(context(), index, (pack) => mentions(pack, word.toLowerCase())),
    );
}

async function show(
  shown: Context,
  given: readonly string[] | undefined,
  isWanted: (pack: IndexedPack) => boolean,
): Promise<void> {
  const { readIndexes } = await import("../pack-indexes.ts");
  const rows = listed(await readIndexes(shown, given ?? [], null), isWanted);
  await shown.list(
    rows,
    [
      { header: "NAME", value: (row) => row.name },
      { header: "VERSION", value: (row) => row.versions[0] },
      { header: "DESCRIPTION", value: (row) => row.description, shrinks: true },
    ],
    "no such packs",
  );
}

/** Of a name in several indexes the first is meant, as when it is installed. */
function listed(indexes: readonly PackIndex[], isWanted: (pack: IndexedPack) => boolean): Listed[] {
  const byName = new Map<string, { location: string; pack: IndexedPack }>();
  for (const { location, packs } of indexes)
    for (const pack of packs) if (!byName.has(pack.name)) byName.set(pack.name, { location, pack });
  return [...byName.values()]
    .filter(({ pack }) => isWanted(pack))
    .sort((a, b) => a.pack.name.localeCompare(b.pack.name))
    .map(({ location, pack: { name, description, tags, versions } }) => {
      return { name, description, tags, versions: versions.map(({ version }) => version), index: location };
    });
}

function mentions({ name, description, tags }: IndexedPack, word: string): boolean {
  return [name, description ?? "", ...tags].some((text) => text.toLowerCase().includes(word));
}
